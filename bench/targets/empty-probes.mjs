// Probes whose programs return at once: what the kernel takes before any sensor does anything.
//   node empty-probes.mjs OFFSET[:ret]:PATH...
import { BpfObject } from '../../dist/lib/bpf/index.js';

const object = BpfObject.open('dist/test/bpf/loader.bpf.o');
for (const program of object.programs()) object.setAutoload(program, program.startsWith('call_'));
// No process has this number, so the programs end at their first comparison.
object.setRodata('only_pid', 0x7fffffff);
object.load();
for (const place of process.argv.slice(2)) {
  const [, offset, ret, path] = /^(\d+)(:ret)?:(.*)$/.exec(place);
  object.attachUprobe('call_entry', { path, offset: Number(offset) });
  if (ret) object.attachUprobe('call_return', { path, offset: Number(offset), ret: true });
}
console.log('ready');
process.stdin.resume().on('end', () => object.close());
