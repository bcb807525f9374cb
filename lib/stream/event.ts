/**
 * The event contract, version 1, as types. `schema/` is generated from this file and the tests validate every
 * event against it. What a line is and what every filter promises: docs/events.md.
 *
 * Field order matters: objects are printed in the order of their properties, and a payload comes last.
 */

/** Version of the contract that this code speaks (`sensor_start.data.contract`). */
export const CONTRACT = 1;

/** The longest line that a filter reads as one event, in bytes. */
export const MAX_LINE_BYTES = 16 * 1024 * 1024;

export type Source = 'ssl' | 'process' | 'file' | 'net' | 'dns' | 'tls' | 'http' | 'llm' | 'agent' | 'guard' | 'policy' | 'audit' | 'meta';

/** One line. `Type` and `Data` are narrowed by the event types below. */
export interface Line<Src extends Source, Type extends string, Data> {
  /**
   * `<stream>-<n>`: 10 characters of base32, then the number of the event in that stream, from 1.
   * @pattern ^[0-9a-z]{10}-[1-9][0-9]*$
   */
  id: string;
  /**
   * Milliseconds since the Unix epoch, three decimals.
   * @minimum 0
   */
  timestamp: number;
  source: Src;
  event_type: Type;
  data: Data;
  /** Derived events: first and last id of the events it was made of. */
  from?: string[];
  /** Present when an event was made of more than two. */
  from_count?: number;
}

/** Who did it: first in the data of every sensor event. */
export interface Who {
  /** Thread group id in the root pid namespace. */
  pid: number;
  tid?: number;
  ppid?: number;
  uid?: number;
  /** The process's name, at most 15 bytes. */
  comm?: string;
  comm_b64?: string;
  /** The thread's name where it differs from the process's. */
  thread?: string;
  thread_b64?: string;
  /** Start since boot in microseconds: `pid` with `start_us` never repeats in one boot. */
  start_us?: number;
  /** Decimal string. */
  cgroup_id?: string;
  ns_pid?: number;
}

/** First in the data of a derived event: taken from its first input. */
export interface Actor {
  pid?: number;
  start_us?: number;
  uid?: number;
  comm?: string;
  comm_b64?: string;
  cgroup_id?: string;
}

export type Direction = 'read' | 'write';
export type Role = 'client' | 'server';
export type Library = 'openssl' | 'boringssl' | 'gnutls' | 'nss' | 'go' | 'rustls' | 's2n' | 'mbedtls' | 'plain';

/** Exactly one of the two stands in an event that carries bytes. */
export interface Payload {
  /** The bytes, when they are valid UTF-8 without NUL and print no longer than base64. */
  payload?: string;
  payload_b64?: string;
}

export interface ProcessInfo extends Who {
  exe?: string;
  exe_b64?: string;
  args?: string[];
  args_b64?: string[];
  cwd?: string;
  cwd_b64?: string;
  cgroup_path?: string;
  cgroup_path_b64?: string;
  /** `"major:minor:inode:generation"`, the generation left out where it cannot be read. */
  exe_file_id?: string;
  /** Chosen environment names only. */
  env?: Record<string, string>;
  origin: 'snapshot' | 'first_seen';
}

/** The head is the parent. */
export interface ProcessFork extends Who {
  child_pid: number;
  child_start_us: number;
}

/** A program begins in a process; with `errno`, it did not. */
export interface ProcessExec extends Who {
  /** As it was asked for. */
  filename?: string;
  filename_b64?: string;
  args?: string[];
  args_b64?: string[];
  /** All of them, each with its NUL. */
  args_bytes: number;
  truncated?: true;
  cwd?: string;
  cwd_b64?: string;
  /** Of the image: of a script, its interpreter. Absent when it failed. */
  exe_file_id?: string;
  /** The image's path, in its mount namespace. */
  exe?: string;
  exe_b64?: string;
  /** What a script's first line names. */
  interpreter?: string;
  interpreter_b64?: string;
  memfd?: true;
  /** The image has no name any more. */
  deleted?: true;
  /** Chosen environment names only. */
  env?: Record<string, string>;
  errno?: string;
}

/** The last thread of a process has ended. */
export interface ProcessExit extends Who {
  exit_code?: number;
  /** By name. Never beside `exit_code`. */
  signal?: string;
  core_dumped?: true;
  duration_ns: number;
  max_rss_bytes?: number;
}

/** Something that matters for security was done; with `errno`, it was tried. */
export interface SecurityAction extends Who {
  kind: string;
  detail: Record<string, string | number | string[]>;
  errno?: string;
}

export interface FileOpen extends Who {
  path?: string;
  path_b64?: string;
  /** The beginning of the path is not known. */
  path_partial?: true;
  /** `path`: for its place alone (O_PATH). */
  access: 'read' | 'write' | 'read_write' | 'exec' | 'path';
  flags: string[];
  /** Octal, of a file that may be made. */
  mode?: string;
  created?: true;
  file_id?: string;
  errno?: string;
}

/** Any other thing done to a file's name or state. */
export interface FileChange extends Who {
  path?: string;
  path_b64?: string;
  path_partial?: true;
  /** Of a link, the new name; of a symbolic link, what it says. */
  new_path?: string;
  new_path_b64?: string;
  new_path_partial?: true;
  /** Both names changed places. */
  exchanged?: true;
  size_bytes?: number;
  mode?: string;
  file_id?: string;
  errno?: string;
}

export interface SslOpen extends Who {
  /** One TLS session object: `<pid>.<start_us>.<n>`, stable for its life, never reused. */
  conn: string;
  parent_conn?: string;
  library: Library;
  role?: Role;
  /** False when the sensor joined a live session. */
  from_start: boolean;
  version?: string;
  cipher?: string;
  alpn?: string;
  sni?: string;
  fd?: number;
  socket?: string;
  peer?: string;
  name?: string;
  peer_by?: string;
}

export interface SslData extends Who, Payload {
  conn: string;
  /** As the traced process sees it. */
  direction: Direction;
  /** Position of this event's first byte in that conn and direction, from the first byte that this sensor saw. */
  offset: number;
  /** Bytes that this event stands for. The next event's offset is `offset + total_bytes`; anything else is a gap. */
  total_bytes: number;
  /** Bytes in the payload. */
  captured_bytes: number;
  /** Number of the library call that this is part of, from 1 in each conn. */
  call?: number;
  /** Full length of that call. */
  call_bytes?: number;
  latency_ns?: number;
  library?: Library;
  function?: string;
  fd?: number;
  socket?: string;
}

export interface SslPeer extends Who {
  conn: string;
  fd?: number;
  socket?: string;
  peer: string;
  name?: string;
  peer_by: string;
}

export interface SslClose extends Who {
  conn: string;
  reason: 'shutdown' | 'free' | 'exit';
  read_bytes: number;
  write_bytes: number;
  lost_bytes?: number;
  duration_ms: number;
}

export type Cost = 'emulated' | 'stepped';

export interface Probe {
  name: string;
  target: string;
  site?: string;
  cost?: Cost;
  state: 'attached' | 'failed' | 'absent';
  reason?: string;
}

export interface Scope {
  pids?: number[];
  comms?: string[];
  cgroups?: string[];
  uids?: number[];
  command?: string[];
  all?: true;
}

export interface SensorStart {
  contract: number;
  sensor: string;
  version: string;
  kernel: string;
  arch: string;
  host: string;
  boot_id: string;
  collector_id?: string;
  node?: string;
  clock_offset_us: number;
  scope: Scope;
  probes: Probe[];
  /** What this sensor cannot see here, as sentences. */
  not_covered: string[];
  limits: Record<string, number>;
  /** The Kubernetes pod that the sensor runs in. */
  pod?: string;
}

export interface Heartbeat {
  sensor: string;
  window_ms: number;
  /** event_type → n, in this window. */
  counts: Record<string, number>;
  /** where → n, in this window. */
  lost: Record<string, number>;
  queue_bytes: number;
  rss_bytes: number;
  probes_attached: number;
}

export type LossPlace = 'ring' | 'queue' | 'reassembly' | 'limit' | 'copy';

export interface Loss {
  where: LossPlace;
  /** Events. */
  lost: number;
  lost_bytes?: number;
  /** Their event_type. */
  kind?: string;
  conn?: string;
  since_ms?: number;
}

export interface Blind {
  exe: string;
  tls_bytes: number;
  plaintext_bytes: number;
  tried: string[];
  hint: string;
  pid?: number;
  start_us?: number;
  /** TLS and plaintext of it, by direction; `tls_bytes` and `plaintext_bytes` are their sums. */
  tls_read_bytes?: number;
  tls_write_bytes?: number;
  plaintext_read_bytes?: number;
  plaintext_write_bytes?: number;
  /** What had gone through the same sockets before they were looked at; not part of `tls_bytes`. */
  tls_bytes_before?: number;
}

export interface Throttle {
  rule: string;
  suppressed: number;
}

export interface ClockSync {
  offset_us: number;
  step_us: number;
}

export interface Malformed extends Payload {
  /** Number of the input line, from 1. */
  line: number;
  reason: string;
  /** Position in an overlong line that is given in several events. */
  offset?: number;
}

export interface SensorEnd {
  sensor: string;
  reason: string;
  /** Counted in the kernel. `seen = emitted + Σ lost`. */
  seen: number;
  emitted: number;
  /** where → n. */
  lost: Record<string, number>;
  duration_ms: number;
  command?: { exit_code: number } | { signal: string };
}

/** An entry of a policy, as it stands in its file. */
export interface GuardRule {
  action: 'deny' | 'allow';
  file: string;
  line: number;
  text: string;
}

/** A guard has refused something (`guard_deny`), or would have (`guard_audit`). */
export interface GuardDecision extends Who {
  exe?: string;
  guard: 'enforce';
  operation: 'connect' | 'send' | 'socket';
  /** `1.2.3.4:443/tcp`. */
  target: string;
  /** The name that DNS gave this address for. */
  name?: string;
  /** Absent when the list's default decided. */
  rule?: GuardRule;
  reason?: string;
  policy_rev: number;
  /** The kernel refused before it happened. */
  pre_op: boolean;
  errno?: string;
}

/** A policy file was read anew. */
export interface GuardReload {
  guard: 'enforce';
  file: string;
  /** `refused`: the one before stays in force. */
  outcome: 'applied' | 'refused';
  policy_rev: number;
  entries: number;
  added: number;
  removed: number;
  took_ms: number;
  error?: { line: number; column: number; message: string };
}

export type NetFamily = 'ipv4' | 'ipv6' | 'unix';

/** A socket. */
export interface NetSocket extends Who {
  /** The kernel's cookie; of a socket that has none 2^62 and its inode. */
  socket: string;
  family?: NetFamily;
  /** `tcp`, `udp`; of unix sockets `stream`, `dgram`, `seqpacket`. */
  protocol: string;
}

/** At its outcome: established, or failed with `errno`. */
export interface NetConnect extends NetSocket {
  local?: string;
  local_b64?: string;
  /** `1.2.3.4:443`, `[2001:db8::1]:443`, `unix:/run/x`, `unix:@name`. */
  peer?: string;
  /** Of a unix socket whose name is not UTF-8. */
  peer_b64?: string;
  name?: string;
  /** How the name is known: an answer that this process got (`dns`), or another one (`dns_other`). */
  name_by?: string;
  handshake_ms?: number;
  errno?: string;
  /** The outcome was not seen. */
  partial?: Partial[];
}

export interface NetListen extends NetSocket {
  local?: string;
  local_b64?: string;
  backlog?: number;
}

export interface NetClose extends NetSocket {
  peer?: string;
  name?: string;
  name_by?: string;
  tx_bytes: number;
  rx_bytes: number;
  /** From the connection's beginning to the first byte that the program read. */
  first_byte_ms?: number;
  duration_ms: number;
}

export interface DnsQuery extends Who {
  socket?: string;
  transport: 'udp' | 'tcp';
  server: string;
  query_id: number;
  name: string;
  qtype: string;
}

export interface DnsAnswer extends DnsQuery {
  rcode: string;
  cname?: string[];
  addresses: string[];
  ttl_s?: number;
}

/** TLS records as a client sent them, and what tracer-tls adds from them. */
export interface TlsClientHello extends Who {
  socket: string;
  peer?: string;
  name?: string;
  /** From the first record header. */
  hello_b64: string;
  /** From here on by tracer-tls. The name asked for. */
  sni?: string;
  sni_b64?: string;
  alpn?: string[];
  alpn_b64?: string[];
  /** `1.3`, `1.2` …, newest first; one without a name as `0x7f1c`. */
  versions?: string[];
  /** The extension encrypted_client_hello is there: with an encrypted hello inside, or as a pretence (GREASE). */
  ech?: true;
  grease?: boolean;
  ja3?: string;
  ja3_raw?: string;
  ja4?: string;
  ja4_raw?: string;
  /** The hello is cut short or damaged. */
  partial?: Partial[];
}

/** Header or trailer fields: lower-case names in order of first appearance; a repeated one is an array. */
export type Fields = Record<string, string | string[]>;

/** Why an event is not whole. */
export type Partial = 'start' | 'headers' | 'gap' | 'limit' | 'coding' | 'eof';

export interface HttpRequest extends Actor {
  conn: string;
  /** `<conn>/<n>`: n counts from 1 on HTTP/1, is the stream id on HTTP/2. */
  exchange: string;
  /** The end that is watched. */
  role: Role;
  version: string;
  /** Absent, as scheme and path, where HTTP/2 refers to what was sent before we joined. */
  method?: string;
  scheme?: string;
  host?: string;
  path?: string;
  headers: Fields;
  trailers?: Fields;
  pushed?: true;
  streamed?: true;
  /** Decoded. */
  body_bytes: number;
  /** As coded, without chunk framing. */
  wire_bytes: number;
  encoding?: string[];
  /** The body is messages, each behind five bytes: a flag and its length. */
  framing?: 'grpc';
  partial?: Partial[];
  body?: string;
  body_b64?: string;
}

/** One event of a stream, as `--sse-merge` lists it. */
export interface MergedSse {
  event: string;
  last_event_id?: string;
  data: string;
}

export interface HttpResponse extends Actor {
  conn: string;
  exchange: string;
  role: Role;
  version: string;
  method?: string;
  scheme?: string;
  host?: string;
  path?: string;
  /** Absent where HTTP/2 refers to what was sent before we joined. */
  status?: number;
  reason?: string;
  headers: Fields;
  trailers?: Fields;
  interim?: true;
  streamed?: true;
  body_bytes: number;
  wire_bytes: number;
  encoding?: string[];
  /** The body is messages, each behind five bytes: a flag and its length. */
  framing?: 'grpc';
  /** Last byte of the request to first byte of the response. */
  ttfb_ms?: number;
  duration_ms?: number;
  partial?: Partial[];
  events?: MergedSse[];
  body?: string;
  body_b64?: string;
}

export interface HttpEnd {
  pid?: number;
  exchange: string;
  sender: Role;
  end: 'complete' | 'closed' | 'reset' | 'gap' | 'eof';
  body_bytes: number;
  wire_bytes: number;
  duration_ms?: number;
  trailers?: Fields;
  partial?: Partial[];
}

export interface SseEvent {
  pid?: number;
  exchange: string;
  /** From 0. */
  index: number;
  /** `message` when unnamed. */
  event: string;
  last_event_id?: string;
  retry_ms?: number;
  data: string;
}

export interface WsMessage extends Payload {
  pid?: number;
  exchange: string;
  /** From 0, over both senders. */
  index: number;
  sender: Role;
  opcode: 'text' | 'binary' | 'close' | 'ping' | 'pong';
  /** It was sent compressed. The payload is what it says; but with `coding` in `partial`, what was sent. */
  compressed?: true;
  /** Frames, when more than one. */
  fragments?: number;
  /** Of a `close`, whose payload is the reason. */
  close_code?: number;
  partial?: Partial[];
}

export interface EventstreamMessage extends Payload {
  pid?: number;
  exchange: string;
  index: number;
  /** Of `application/vnd.amazon.eventstream`: name → value; bytes as base64, 64-bit numbers as decimal strings. */
  headers: Record<string, string | number | boolean>;
}

export interface HttpBody extends Payload {
  pid?: number;
  exchange: string;
  index: number;
  sender: Role;
}

/** What a model and its user say to each other: parts of OpenTelemetry's GenAI messages. */
export type MessagePart =
  | { type: 'text' | 'reasoning' | 'refusal'; content: string }
  /** `server`: the provider runs the tool itself. Arguments as in {@link ToolCall}. */
  | {
      type: 'tool_call';
      id?: string;
      name: string;
      server?: true;
      arguments?: unknown;
      arguments_raw?: string;
      arguments_error?: string;
    }
  | { type: 'tool_call_response'; id?: string; server?: true; is_error?: true; response: unknown }
  | { type: 'blob'; modality: string; mime_type?: string; size_bytes: number; sha256: string; content?: string }
  | { type: 'uri'; modality: string; mime_type?: string; uri: string }
  | { type: 'file'; modality: string; mime_type?: string; file_id: string }
  /** A part of a kind that has no place in the convention: `name` is the provider's word for it. */
  | { type: 'other'; name: string; content?: unknown };

export interface ChatMessage {
  role: string;
  parts: MessagePart[];
  /** Of a message that a model made: the provider's own word. */
  finish_reason?: string;
}

export interface ToolDefinition {
  name: string;
  description?: string;
}

export interface ToolCall {
  id?: string;
  name: string;
  /** The provider runs the tool itself. */
  server?: true;
  arguments?: unknown;
  /** The text as sent, where `arguments` printed again would not be the same value, or where it is none. */
  arguments_raw?: string;
  arguments_error?: string;
}

export interface ToolResult {
  id?: string;
  is_error?: true;
  /** Absent with `--messages none`. */
  content?: unknown;
}

export interface LlmError {
  type: string;
  code?: string;
  message?: string;
  status?: number;
}

export type LlmOperation = 'chat' | 'generate_content' | 'text_completion' | 'embeddings' | 'count_tokens';

/** A call begins (`--progress`). */
export interface LlmStart extends Actor {
  conn: string;
  exchange: string;
  api: string;
  operation: LlmOperation;
  stream: boolean;
  host?: string;
  request_model?: string;
}

/** The first event of its stream that bears content (`--progress`). */
export interface LlmFirstToken extends LlmStart {
  ttft_ms?: number;
}

/** One call of a model, as it ends. */
export interface LlmCall extends LlmStart {
  response_model?: string;
  response_id?: string;
  conversation_id?: string;
  status?: number;
  /** As the server counted; cached input counted in. */
  input_tokens?: number;
  /** Reasoning counted in. */
  output_tokens?: number;
  cache_read_input_tokens?: number;
  cache_creation_input_tokens?: number;
  reasoning_output_tokens?: number;
  /** The provider's own words. */
  finish_reasons?: string[];
  /** End of the request to the first event that bears content. */
  ttft_ms?: number;
  inter_token_p50_ms?: number;
  inter_token_p95_ms?: number;
  duration_ms: number;
  cost_usd?: number;
  /** The day of the price table. */
  price_date?: string;
  error?: LlmError;
  end: 'complete' | 'closed' | 'reset' | 'gap' | 'eof';
  partial?: Partial[];
  params?: Record<string, unknown>;
  tool_definitions?: ToolDefinition[];
  tool_calls: ToolCall[];
  tool_results: ToolResult[];
  /** Id of the earlier call whose messages this one repeats. */
  continues?: string;
  /** Messages that it repeats and that are not printed again. */
  input_messages_skipped?: number;
  system_instructions?: MessagePart[];
  input_messages?: ChatMessage[];
  output_messages?: ChatMessage[];
}

export type ProcessInfoEvent = Line<'process', 'process_info', ProcessInfo>;
export type ProcessForkEvent = Line<'process', 'process_fork', ProcessFork>;
export type ProcessExecEvent = Line<'process', 'process_exec', ProcessExec>;
export type ProcessExitEvent = Line<'process', 'process_exit', ProcessExit>;
export type SecurityActionEvent = Line<'process', 'security_action', SecurityAction>;
export type FileOpenEvent = Line<'file', 'file_open', FileOpen>;
export type FileDeleteEvent = Line<'file', 'file_delete', FileChange>;
export type FileRenameEvent = Line<'file', 'file_rename', FileChange>;
export type FileLinkEvent = Line<'file', 'file_link', FileChange>;
export type FileSymlinkEvent = Line<'file', 'file_symlink', FileChange>;
export type FileTruncateEvent = Line<'file', 'file_truncate', FileChange>;
export type FileChmodEvent = Line<'file', 'file_chmod', FileChange>;
export type DirCreateEvent = Line<'file', 'dir_create', FileChange>;
export type DirDeleteEvent = Line<'file', 'dir_delete', FileChange>;
export type CwdChangeEvent = Line<'file', 'cwd_change', FileChange>;
export type SslOpenEvent = Line<'ssl', 'ssl_open', SslOpen>;
export type SslDataEvent = Line<'ssl', 'ssl_data', SslData>;
export type SslPeerEvent = Line<'ssl', 'ssl_peer', SslPeer>;
export type SslCloseEvent = Line<'ssl', 'ssl_close', SslClose>;
export type SensorStartEvent = Line<'meta', 'sensor_start', SensorStart>;
export type HeartbeatEvent = Line<'meta', 'heartbeat', Heartbeat>;
export type LossEvent = Line<'meta', 'loss', Loss>;
export type BlindEvent = Line<'meta', 'blind', Blind>;
export type ThrottleEvent = Line<'meta', 'throttle', Throttle>;
export type ClockSyncEvent = Line<'meta', 'clock_sync', ClockSync>;
export type MalformedEvent = Line<'meta', 'malformed', Malformed>;
export type SensorEndEvent = Line<'meta', 'sensor_end', SensorEnd>;
export type GuardDenyEvent = Line<'guard', 'guard_deny', GuardDecision>;
export type GuardAuditEvent = Line<'guard', 'guard_audit', GuardDecision>;
export type GuardReloadEvent = Line<'guard', 'guard_reload', GuardReload>;
export type NetConnectEvent = Line<'net', 'net_connect', NetConnect>;
export type NetAcceptEvent = Line<'net', 'net_accept', NetConnect>;
export type NetListenEvent = Line<'net', 'net_listen', NetListen>;
export type NetCloseEvent = Line<'net', 'net_close', NetClose>;
export type DnsQueryEvent = Line<'dns', 'dns_query', DnsQuery>;
export type DnsAnswerEvent = Line<'dns', 'dns_answer', DnsAnswer>;
export type TlsClientHelloEvent = Line<'tls', 'tls_client_hello', TlsClientHello>;
export type HttpRequestEvent = Line<'http', 'http_request', HttpRequest>;
export type HttpResponseEvent = Line<'http', 'http_response', HttpResponse>;
export type HttpEndEvent = Line<'http', 'http_end', HttpEnd>;
export type SseEventEvent = Line<'http', 'sse_event', SseEvent>;
export type WsMessageEvent = Line<'http', 'ws_message', WsMessage>;
export type EventstreamMessageEvent = Line<'http', 'eventstream_message', EventstreamMessage>;
export type HttpBodyEvent = Line<'http', 'http_body', HttpBody>;
export type LlmStartEvent = Line<'llm', 'llm_start', LlmStart>;
export type LlmFirstTokenEvent = Line<'llm', 'llm_first_token', LlmFirstToken>;
export type LlmCallEvent = Line<'llm', 'llm_call', LlmCall>;

/** Every event that this version makes, told apart by `event_type`. */
export type TracerEvent =
  | ProcessInfoEvent
  | ProcessForkEvent
  | ProcessExecEvent
  | ProcessExitEvent
  | SecurityActionEvent
  | FileOpenEvent
  | FileDeleteEvent
  | FileRenameEvent
  | FileLinkEvent
  | FileSymlinkEvent
  | FileTruncateEvent
  | FileChmodEvent
  | DirCreateEvent
  | DirDeleteEvent
  | CwdChangeEvent
  | SslOpenEvent
  | SslDataEvent
  | SslPeerEvent
  | SslCloseEvent
  | SensorStartEvent
  | HeartbeatEvent
  | LossEvent
  | BlindEvent
  | ThrottleEvent
  | ClockSyncEvent
  | MalformedEvent
  | SensorEndEvent
  | GuardDenyEvent
  | GuardAuditEvent
  | GuardReloadEvent
  | NetConnectEvent
  | NetAcceptEvent
  | NetListenEvent
  | NetCloseEvent
  | DnsQueryEvent
  | DnsAnswerEvent
  | TlsClientHelloEvent
  | HttpRequestEvent
  | HttpResponseEvent
  | HttpEndEvent
  | SseEventEvent
  | WsMessageEvent
  | EventstreamMessageEvent
  | HttpBodyEvent
  | LlmStartEvent
  | LlmFirstTokenEvent
  | LlmCallEvent;

/** A JSON object on a line that this version may not know: passed on as it is. */
export interface UnknownEvent {
  id?: string;
  timestamp?: number;
  source?: string;
  event_type?: string;
  data?: unknown;
}

/** What a stage is handed: narrow it with {@link isEvent}. */
export type AnyEvent = TracerEvent | UnknownEvent;

/** Narrows an event to one type, by name: `if (isEvent(e, 'ssl_data')) e.data.offset`. Checks the name only, not the data. */
export function isEvent<T extends TracerEvent['event_type']>(event: AnyEvent, type: T): event is Extract<TracerEvent, { event_type: T }> {
  return event.event_type === type;
}
