// Probes whose programs return at once: what the kernel takes before any sensor does anything.
//   node empty-probes.mjs LIBRARY OFFSET...
import { BpfObject } from '../../dist/lib/bpf/index.js';

const [path, ...offsets] = process.argv.slice(2);
const object = BpfObject.open('dist/test/bpf/loader.bpf.o');
for (const program of object.programs()) object.setAutoload(program, program.startsWith('call_'));
// No process has this number, so the programs end at their first comparison.
object.setRodata('only_pid', 0x7fffffff);
object.load();
for (const offset of offsets.map(Number)) {
  object.attachUprobe('call_entry', { path, offset });
  object.attachUprobe('call_return', { path, offset, ret: true });
}
console.log('ready');
process.stdin.resume().on('end', () => object.close());
