/* SPDX-License-Identifier: MIT */
/* The addon's list of contents. Its TypeScript face is lib/bpf/native.ts. */
#include "native.h"

NAPI_MODULE_INIT()
{
	object_register(env, exports);
	map_register(env, exports);
	link_register(env, exports);
	attach_register(env, exports);
	ring_register(env, exports);
	spawn_register(env, exports);
	process_register(env, exports);
	probe_register(env, exports);
	lines_register(env, exports);
	watch_register(env, exports);
	return exports;
}
