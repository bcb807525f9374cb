/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Every record that goes through the ring, and nothing else. The build reads these structs from the object's BTF and
 * writes the TypeScript decoders (lib/bpf/records.gen.ts), so a change here that the runner does not follow is a build
 * error. Fields are flat: a record is REC_HEAD, its own fields, then bytes of variable length.
 */
#ifndef TRACER_RECORDS_H
#define TRACER_RECORDS_H

enum rec_type {
	REC_SSL_DATA = 1,
	REC_SSL_OPEN = 2,
	REC_SSL_ROLE = 3,
	REC_SSL_CLOSE = 4,
	REC_FORK = 5,
	REC_EXEC = 6,
	REC_EXIT = 7,
	REC_SCOPE = 8, /* a living process came into scope: renamed, moved to a cgroup, changed its uid */
	REC_MAPS = 9,  /* its dynamic linker says that it mapped or unmapped a library */
	REC_SSL_SOCKET = 11, /* a record of a stream was seen to go through a socket */
	REC_TASK = 10, /* from the task iterator, not from the ring */
	/* tracer-proc: 32 to 63 */
	REC_PROC_EXEC = 32,
	REC_FILE = 33,
	REC_SECURITY = 34,
	/* netmon: 64 to 95. */
	REC_NET_CONNECT = 64,
	REC_NET_ACCEPT = 65,
	REC_NET_LISTEN = 66,
	REC_NET_CLOSE = 67,
	REC_NET_HELLO = 68, /* a piece of a TLS ClientHello */
	REC_NET_DNS = 69,   /* what was sent to, or came from, port 53 */
	/* enforce: 96 to 111 */
	REC_GUARD = 96,	     /* traffic was refused, or would have been */
	REC_GUARD_NAME = 97, /* an answer of DNS gave addresses to a name that an entry is about */
};

/* The library call that an event reports. The names are in lib/runners/sslsniff/functions.ts. */
enum ssl_function {
	SSL_FN_READ = 1,
	SSL_FN_READ_EX = 2,
	SSL_FN_READ_EARLY = 3,
	SSL_FN_WRITE = 4,
	SSL_FN_WRITE_EX = 5,
	SSL_FN_WRITE_EARLY = 6,
	SSL_FN_SENDFILE = 7,
	GNUTLS_FN_RECV = 16,
	GNUTLS_FN_RECV_SEQ = 17,
	GNUTLS_FN_RECV_EARLY = 18,
	GNUTLS_FN_SEND = 19,
	GNUTLS_FN_SEND_EARLY = 20,
	GNUTLS_FN_SEND_RANGE = 21,
	NSPR_FN_READ = 32,
	NSPR_FN_RECV = 33,
	NSPR_FN_WRITE = 34,
	NSPR_FN_SEND = 35,
	S2N_FN_RECV = 48,
	S2N_FN_SEND = 49,
	MBEDTLS_FN_READ = 52,
	MBEDTLS_FN_WRITE = 53,
	GO_FN_READ = 64,
	GO_FN_WRITE = 65,
	AEAD_FN_OPEN = 72,
	AEAD_FN_SEAL = 73,
	RING_FN_OPEN = 76,
	RING_FN_SEAL = 77,
	SOCKET_FN_READ = 80,
	SOCKET_FN_READV = 81,
	SOCKET_FN_RECVFROM = 82,
	SOCKET_FN_RECVMSG = 83,
	SOCKET_FN_WRITE = 84,
	SOCKET_FN_WRITEV = 85,
	SOCKET_FN_SENDTO = 86,
	SOCKET_FN_SENDMSG = 87,
	SOCKET_FN_SENDFILE = 88,
};

/* Whose session it is. The names are in lib/runners/sslsniff/functions.ts. */
enum tls_library {
	LIBRARY_OPENSSL = 0, /* or BoringSSL by its symbols: the same programs */
	LIBRARY_BORINGSSL = 1,
	LIBRARY_GNUTLS = 2,
	LIBRARY_NSS = 3,
	LIBRARY_GO = 4,
	LIBRARY_RUSTLS = 5,
	LIBRARY_S2N = 6,
	LIBRARY_MBEDTLS = 7,
	LIBRARY_PLAIN = 8, /* no TLS: the system calls of a socket */
};

enum ssl_direction { SSL_READ = 0, SSL_WRITE = 1 };

/* How the socket of a session was learnt. The names are in lib/runners/sslsniff/sockets.ts. */
enum socket_by {
	SOCKET_BY_RECORD = 0,     /* a record of that length in a system call of the same thread */
	SOCKET_BY_CALL = 1,	  /* a system call within the library's call */
	SOCKET_BY_DESCRIPTOR = 2, /* the library was given its descriptor */
	SOCKET_ITSELF = 3,
	SOCKET_BY_LENGTH = 4, /* a system call soon after or before, on the same thread, with records of just these bytes */
};

enum ssl_role { ROLE_UNKNOWN = 0, ROLE_CLIENT = 1, ROLE_SERVER = 2 };

/* Where records of a session were lost. Sums are kept per session and printed where the next event says so. */
enum loss_place { LOST_RING = 0, LOST_COPY = 1, LOST_LIMIT = 2, LOST_PLACES = 3 };

/*
 * Times are nanoseconds of CLOCK_BOOTTIME. ts is taken after the ring space was reserved, floor before it: no record
 * that stands later in the ring has a ts below floor. With that the reader puts records of several CPUs in order.
 */
#define REC_STAMP                                                                                                      \
	__u16 type;                                                                                                    \
	__u16 flags;                                                                                                   \
	__u32 len; /* bytes at the end of the record */                                                                \
	__u64 ts;                                                                                                      \
	__u64 floor;

/* Who follows: everything from REC_STAMP's end to REC_HEAD's is the same in all records of an unchanged thread. */
#define REC_HEAD                                                                                                       \
	REC_STAMP                                                                                                      \
	__u32 pid;                                                                                                     \
	__u32 tid;                                                                                                     \
	__u32 ppid;                                                                                                    \
	__u32 uid;                                                                                                     \
	__u64 start_ns; /* of the thread group's leader */                                                                \
	__u64 cgroup_id;                                                                                               \
	__u32 ns_pid;                                                                                                  \
	__u32 head_pad;                                                                                                \
	char comm[16];   /* of the thread group's leader */                                                            \
	char thread[16]; /* of the thread */

/* For readers that look at any record. */
struct rec_stamp {
	REC_STAMP
};

struct rec_head {
	REC_HEAD
};

/* A piece of one library call. Bytes: what was read or written, UTF-8 characters not torn. */
struct rec_ssl_data {
	REC_HEAD
	__u64 ssl;     /* address of the session object */
	__u64 session; /* when that object came to be, so that a reused address is another session */
	__u64 offset;  /* of the first byte in this session and direction, from the first byte seen */
	__u64 call;    /* number of the call in the session, from 1 */
	__u64 latency;
	__u32 call_bytes;
	__u32 total; /* bytes that this record stands for; more than len when --max-bytes cut it */
	__s32 fd;    /* -1: not known */
	__u8 direction;
	__u8 function;
	__u8 role;
	__u8 from_start;
	__u32 lost[LOST_PLACES]; /* records of this session lost so far */
	__u32 library;
	__u64 lost_bytes[LOST_PLACES];
	__u8 data[];
};

/* A session object was made (REC_SSL_OPEN), learnt its role (REC_SSL_ROLE) or came to its end (REC_SSL_CLOSE). */
struct rec_ssl_session {
	REC_HEAD
	__u64 ssl;
	__u64 session;
	__u64 read_bytes;
	__u64 write_bytes;
	__s32 fd;
	__u8 role;
	__u8 from_start;
	__u8 shutdown; /* SSL_shutdown was called */
	__u8 library;
	__u32 lost[LOST_PLACES];
	__u32 session_pad2;
	__u64 lost_bytes[LOST_PLACES];
};

/*
 * The socket that carries a session, of which the library's calls do not tell: seen in the system call that follows a
 * write, or comes before a read, on the same thread. The inode is the socket's own and never used again in one boot.
 */
struct rec_ssl_socket {
	REC_HEAD
	__u64 ssl;
	__u64 session;
	__u64 inode;
	__u64 cookie; /* 0: nobody has asked for it yet */
	__s32 fd;
	__u8 by;
	__u8 library;
	__u16 family; /* AF_INET, AF_INET6; else the rest is 0 */
	__u16 port;   /* of the peer */
	__u16 socket_pad2;
	__u32 socket_pad3;
	__u8 address[16]; /* of the peer; an IPv4 one in the first 4 bytes */
};

/* Not in the ring: what the kernel's table `sessions` keeps of one, which the reader looks at for losses nobody told of. */
struct rec_session {
	__u64 id;
	__u64 offset[2];
	__u64 calls[2]; /* by direction: two threads may read and write at once */
	__s32 fd;
	__s32 references; /* beyond the first */
	__u8 role;
	__u8 from_start;
	__u8 shutdown;
	__u8 library;
	__u32 lost[LOST_PLACES];
	__u32 socket_told;
	__u64 lost_bytes[LOST_PLACES];
};

/*
 * Not in the ring: what the kernel's table `tls_traffic` has of one process, bytes of TLS on its sockets by direction:
 * what was seen, and what had gone through these sockets before.
 */
struct rec_tls_traffic {
	__u64 since;
	__u64 passed[2];
	__u64 before[2];
	__u64 sockets;
	__u64 data_sends; /* calls that begin with a record of application data */
};

/* The head is the parent. */
struct rec_fork {
	REC_HEAD
	__u64 child_start;
	__u32 child_pid;
	__u32 child_ns_pid;
};

/* Bytes: the arguments as the kernel laid them out, each ended by NUL; cut when args_len is more than len. */
struct rec_exec {
	REC_HEAD
	__u32 args_len;
	__u32 old_tid; /* differs from tid when another thread than the leader called exec */
	char filename[256];
	__u8 args[];
};

struct rec_exit {
	REC_HEAD
	__s32 exit_code; /* as wait(2) has it */
	__u32 exit_pad;
	__u64 max_rss; /* pages */
};

struct rec_maps {
	REC_HEAD
};

/*
 * An exec with everything that tracer-proc says of it. Bytes: filename, interpreter, working directory, image, then the
 * arguments and behind them the environment, each string of these ended by NUL.
 */
struct rec_proc_exec {
	REC_HEAD
	__u64 inode; /* of the image */
	__u32 device; /* as the kernel packs it: 12 and 20 bits */
	__u32 generation;
	__u32 links; /* names that the image has */
	__s32 result; /* 0, or what the system call gave */
	__u32 args_total;
	__u32 args_len;
	__u32 env_len;
	__u16 filename_len;
	__u16 interpreter_len;
	__u16 cwd_len;
	__u16 image_len;
	__u32 exec_flags; /* enum path_fact */
	__u8 text[];
};

enum path_fact {
	PATH_CUT = 1, /* deeper or longer than the walk: the beginning is missing */
	NEW_PATH_CUT = 2,
	HAS_FILE = 4, /* inode, device, generation are there */
	FILE_CREATED = 8,
};

enum file_operation {
	FILE_OPEN = 1,
	FILE_DELETE = 2,
	DIR_DELETE = 3,
	DIR_CREATE = 4,
	FILE_RENAME = 5,
	FILE_LINK = 6,
	FILE_SYMLINK = 7,
	FILE_TRUNCATE = 8,
	FILE_CHMOD = 9,
	CWD_CHANGE = 10,
};

/*
 * Something done to a file, at the end of the system call. Bytes: where the name is relative to, the name as the program
 * gave it, and both of the new name. Where the kernel had the file itself, the first is its whole path, and no name.
 */
struct rec_file {
	REC_HEAD
	__u64 inode;
	__u64 size;
	__u32 device;
	__u32 generation;
	__s32 result;
	__u32 open_flags;
	__u32 mode;
	__u16 operation;
	__u16 facts; /* enum path_fact */
	__u16 base_len;
	__u16 name_len;
	__u16 new_base_len;
	__u16 new_name_len;
	__u8 text[];
};

enum security_kind {
	SECURITY_SETUID_ROOT = 1,
	SECURITY_PTRACE = 2,
	SECURITY_LISTEN = 3,
	SECURITY_MOUNT = 4,
	SECURITY_BPF = 5,
	SECURITY_MODULE_LOAD = 6,
	SECURITY_SETNS = 7,
	SECURITY_UNSHARE = 8,
	SECURITY_PROCESS_VM_READ = 9,
	SECURITY_PROCESS_VM_WRITE = 10,
	SECURITY_MEMFD_EXEC = 11,
	SECURITY_CAPABILITY = 12,
};

/*
 * What --security tells. args[0] is which of the kind's calls it was, or its first number; the others are as
 * lib/runners/procmon/security-events.ts reads them. Bytes: three texts.
 */
struct rec_security {
	REC_HEAD
	__u64 args[5];
	__s64 result;
	__u16 kind;
	__u16 text_len[3];
	__u8 text[];
};

/*
 * netmon: a socket and what happened to it. Also what the kernel's table `socks` keeps of one. Addresses are as in the
 * packet: an IPv4 one in the first 4 bytes. Bytes: the peer's sockaddr of an AF_UNIX socket, or what was sent.
 */
struct rec_net {
	REC_HEAD
	__u64 cookie; /* 0: it has none yet */
	__u64 inode;  /* 0: not known */
	__u64 began;
	__u64 established;
	__u64 first; /* its first byte was read */
	__u64 tx;
	__u64 rx;
	__u64 offset; /* of a piece in its hello */
	__s32 error;
	__u32 backlog;
	__u32 full; /* bytes of the call; more than len when they were cut */
	__u16 family;
	__u16 protocol;
	__u16 kind; /* SOCK_STREAM ... */
	__u16 local_port;
	__u16 peer_port;
	__u8 state;    /* of `socks`: enum net_state */
	__u8 received; /* of REC_NET_DNS */
	__u8 local[16];
	__u8 peer[16];
	__u8 data[];
};

/* UNSAID: it is over, and the end of the system call will say why; else the end of the socket says that nobody knows. */
enum net_state { NET_PENDING = 1, NET_OPEN = 2, NET_FAILED = 3, NET_UNSAID = 4 };

/* Kinds of records of which losses are counted apart; the first are as in rec_type. */
enum net_loss {
	NET_LOST_CONNECT = 0,
	NET_LOST_ACCEPT = 1,
	NET_LOST_LISTEN = 2,
	NET_LOST_CLOSE = 3,
	NET_LOST_HELLO = 4,
	NET_LOST_QUERY = 5,
	NET_LOST_ANSWER = 6,
	NET_LOSSES = 7,
};

enum guard_operation { GUARD_CONNECT = 1, GUARD_SEND = 2, GUARD_SOCKET = 3 };

struct rec_guard {
	REC_HEAD
	__u64 cookie;
	__u32 entry; /* of the list; GUARD_NO_ENTRY: the list's default decided */
	__u32 rev;
	__u32 suppressed; /* as many of this process have not been told before this one */
	__u16 port;
	__u16 protocol;
	__u8 operation;
	__u8 refused; /* 0: only said (--audit) */
	__u8 list;    /* 0: the deny-file, 1: the allow-file */
	__u8 guard_pad;
	__u8 address[16]; /* IPv4 mapped */
};

#define GUARD_NO_ENTRY 0xffffffff

/* Followed by the name as in a question of DNS, `len` bytes. */
struct rec_guard_name {
	REC_HEAD
	__u32 addresses;
	__u32 name_pad;
	__u8 address[128]; /* 16 bytes each */
	__u8 name[];
};

/* One process, as the task iterator sees it. */
struct rec_task {
	REC_HEAD
	__u32 in_scope;
	__u32 task_flags;
};

#endif
