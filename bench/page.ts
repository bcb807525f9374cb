/** docs/benchmarks.md: the table, and what a reader needs to judge it. */

const HEAD = `# Benchmarks

\`sudo scripts/bench --setup\` installs what we are measured against, \`sudo scripts/bench --write\` measures and makes this page.
Each row compares with its neighbour in the same run, because absolute figures of a shared virtual machine mean little.
`;

const HOW = `## How it is measured

- **TLS pair**: one process, two TLS 1.3 sessions over a BIO pair in memory, one \`SSL_write\` and one \`SSL_read\` of so many
  bytes (\`bench/targets/ssl-pair.c\`): no system call, nothing but OpenSSL. Cost is the CPU time of that thread. The target
  runs on one CPU, the sensor on another, its output in a file in memory. bcc gets a copy of libssl of its own, because bcc
  0.26 leaves rubbish in a field of the probe that makes every other probe there fail. A lost event is cheap: where bcc
  loses most of them, its cost looks better than it is.
- **The floor**: four probes with BPF programs that return at once, at the same sites, are measured in the same run and
  stand below the table. Of what is added to a pair, that much is the kernel's breakpoint and return trampoline; the rest
  is the note at entry (scope, a hash entry), and at return the copy of the bytes, the record and two clock readings.
- **Sites**: on a kernel in a virtual machine a probe on an instruction that must be single-stepped costs ten times one
  on a push (\`lib/elf/probe-cost.ts\`); \`tracer-ssl -v\` says which sites it got.
- **Libraries**: as the TLS pair, through buffers in memory of one thread (\`bench/targets/\`): Go and rustls with both ends in the
  program, GnuTLS with a key that both know, \`--plain\` over a loopback socket. NSS talks to a server, and only its own CPU time
  counts. A pair of rustls is one record sealed and one opened: its cost is that of a record. BoringSSL has the sites and
  programs of OpenSSL. NSS is read at NSPR's functions, of two instructions that are both single-stepped: the floor is most of
  it.
- **Flat out**: ten seconds, output through a pipe to a reader that only counts, on the sensor's CPU. The C consumer
  (\`bench/c-consumer\`) reads the same ring of the same BPF programs and prints the same lines.
- **Servers**: CPU time of the server process between two readings, divided by the requests answered; in turns on the same
  process. nginx and node with keep-alive under wrk; the model server sends server-sent events to waiting clients, so its
  caches are cold each time.
- **Filters**: CPU time, all threads, for a recorded stream that is made from a seed (\`bench/recorded.ts\`): agents' requests
  with JSON bodies, chunked server-sent events, 15 % other sensors' events. Output to /dev/null.
- **Memory**: \`VmHWM\` of the process, and anonymous memory where it says so.
- **Guard**: CPU time of connect(2) on a datagram socket, which sends nothing, in the scope and outside; and the time from the
  rename of a deny-file to the first refusal.

## Bars that are not met, and where the time goes

- **CPU of the sensor for an event**: the C consumer, which does nothing but print the same line from the same ring, takes more
  than the bar itself where the bar is missed.
- **Paced pairs**: caches are cold. Empty probes alone are a fifth of what bcc adds; ours add about as much again.
- **Servers**: while the socket of a session is not known, and for five heartbeats more, the sensor looks at system calls that
  move bytes. nginx gives OpenSSL its socket, and stays under the bar once a sensor has settled. node and the model server pass
  memory instead, so that each new connection begins it anew; their rows vary by more than the bar between rounds.
- **jq** at three times: our own speed against the plain loop is the measure; jq's differs by machine.
- **Start**: of 0.66 s, Node takes 0.12 to 0.2 s, and the kernel's look at the programs 0.45 s.
- **RSS**: the runtime itself; docs/decisions/0009.
`;

const FIGURES = '\n## Figures\n\n';
const LIBRARIES = '\n## Each library\n\n';

/** The parts of the page that are measured: all rows but those of the libraries, and these. */
export interface Measured {
  figures: string;
  libraries: string;
}

export function page({ figures, libraries }: Measured): string {
  return `${HEAD}${FIGURES}${figures}${LIBRARIES}${libraries}\n${HOW}`;
}

/** What a page has of either part. */
export function measuredIn(text: string): Measured {
  const [begin, middle, end] = [text.indexOf(FIGURES), text.indexOf(LIBRARIES), text.indexOf(HOW.split('\n')[0] as string)];
  const part = (from: number, heading: string, to: number): string =>
    from < 0 || to < 0 ? '' : `${text.slice(from + heading.length, to).trimEnd()}\n`;
  return { figures: part(begin, FIGURES, middle < 0 ? end : middle), libraries: part(middle, LIBRARIES, end) };
}
