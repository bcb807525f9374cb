/* SPDX-License-Identifier: MIT */
/*
 * What lets Debian's static libelf and libbpf into a shared object. Both archives are built position independent for
 * executables only (Debian 12 and 13):
 *  - libelf's elf_error.o keeps its error number in initial-exec thread storage of another object. Its three
 *    functions are defined here instead, so that the archive member is never pulled in.
 *  - libbpf refers to `stderr` by a direct address. scripts/build renames that symbol to tracer_stderr.
 */
#define _GNU_SOURCE
#include <search.h>
#include <stdio.h>

__attribute__((visibility("hidden"))) FILE *tracer_stderr;

__attribute__((constructor)) static void set_tracer_stderr(void)
{
	tracer_stderr = stderr;
}

/* The thread storage model is part of libelf's own prototype. */
static __thread int elf_error __attribute__((tls_model("initial-exec")));

__attribute__((visibility("hidden"))) void __libelf_seterrno(int value);
__attribute__((visibility("hidden"))) int elf_errno(void);
__attribute__((visibility("hidden"))) const char *elf_errmsg(int error);

void __libelf_seterrno(int value)
{
	elf_error = value;
}

int elf_errno(void)
{
	int value = elf_error;

	elf_error = 0;
	return value;
}

const char *elf_errmsg(int error)
{
	return error || elf_error ? "not a readable ELF file" : NULL;
}

/*
 * libelf of elfutils 0.191 and later (Debian 13) calls the tree functions of libeu, which is part of no package.
 * elfutils, lib/eu-search.h: a tsearch(3) root and a lock; an Elf handle is used by one thread here.
 */
struct search_tree {
	void *root;
};
typedef int (*compare_fn)(const void *, const void *);

#define HIDDEN __attribute__((visibility("hidden")))
HIDDEN void eu_search_tree_init(struct search_tree *tree);
HIDDEN void eu_search_tree_fini(struct search_tree *tree, void (*free_node)(void *));
HIDDEN void *eu_tsearch(const void *key, struct search_tree *tree, compare_fn compare);
HIDDEN void *eu_tfind(const void *key, struct search_tree *tree, compare_fn compare);
HIDDEN void *eu_tdelete(const void *key, struct search_tree *tree, compare_fn compare);
HIDDEN void eu_tdestroy(struct search_tree *tree, void (*free_node)(void *));

void eu_search_tree_init(struct search_tree *tree)
{
	tree->root = NULL;
}

void eu_search_tree_fini(struct search_tree *tree, void (*free_node)(void *))
{
	eu_tdestroy(tree, free_node);
}

void *eu_tsearch(const void *key, struct search_tree *tree, compare_fn compare)
{
	return tsearch(key, &tree->root, compare);
}

void *eu_tfind(const void *key, struct search_tree *tree, compare_fn compare)
{
	return tfind(key, &tree->root, compare);
}

void *eu_tdelete(const void *key, struct search_tree *tree, compare_fn compare)
{
	return tdelete(key, &tree->root, compare);
}

void eu_tdestroy(struct search_tree *tree, void (*free_node)(void *))
{
	tdestroy(tree->root, free_node);
	tree->root = NULL;
}
