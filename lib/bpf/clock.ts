/** The two clocks that sensors join: the kernel's boot time, in which BPF stamps records, and Unix time. */
import { native } from './native.js';

/** Nanoseconds since boot, time in suspend included, as `bpf_ktime_get_boot_ns()` gives them. */
export function bootTimeNs(): bigint {
  return native().bootTimeNs();
}

/** Unix time minus boot time in nanoseconds, from the tightest of 32 readings (good to about 0.1 µs). */
export function clockOffsetNs(): bigint {
  return native().clockOffset();
}
