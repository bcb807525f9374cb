/** `who` of an event, from the head of a record. Most records of a process say the same, so it is made once. */
import { RecHead, RecStamp } from '../bpf/records.gen.js';
import type { Who } from '../stream/event.js';
import { textField } from '../stream/payload.js';

const FROM = RecStamp.size;
const TO = RecHead.size;
const head = new RecHead();

/** Bytes of a record's head that say who. */
export function whoBytes(bytes: Buffer, at: number): Buffer {
  return Buffer.from(bytes.subarray(at + FROM, at + TO));
}

/** Whether a record says the same as `known`, which {@link whoBytes} gave. */
export function sameWho(known: Buffer, bytes: Buffer, at: number): boolean {
  // Shorter than a call out of JavaScript. The numbers differ first.
  for (let i = 0; i < TO - FROM; i++) if (known[i] !== bytes[at + FROM + i]) return false;
  return true;
}

/** The fields, in the contract's order. */
export function whoOf(bytes: Buffer, view: DataView, at: number): Who {
  head.at(bytes, view, at);
  const comm = Buffer.from(head.comm);
  const thread = Buffer.from(head.thread);
  return {
    pid: head.pid,
    tid: head.tid,
    ppid: head.ppid,
    uid: head.uid,
    ...textField('comm', comm),
    ...(thread.equals(comm) ? {} : textField('thread', thread)),
    start_us: Number(head.start_ns_exact / 1000n),
    cgroup_id: head.cgroup_id_exact.toString(),
    ...(head.ns_pid === head.pid || head.ns_pid === 0 ? {} : { ns_pid: head.ns_pid }),
  };
}
