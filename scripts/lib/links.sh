# The commands, man pages and completions in /usr/local, made of what package.json and the build say. Source common.sh first.
# shellcheck shell=bash

PREFIX=${TRACER_PREFIX:-/usr/local}

# Name and file of each command: `tracer-ssl bin/sslsniff`.
commands() { sed -n '/^  "bin": {/,/^  }/s/^    "\([^"]*\)": "\([^"]*\)",\{0,1\}$/\1 \2/p' "$ROOT/package.json"; }

# wrapper FILE: sudo's secure_path has no per-user Node and no ~/bin, so a command names both by absolute path.
wrapper() {
  local node=${NODE@Q} file=$ROOT/$1
  file=${file@Q}
  cat <<WRAPPER
#!/bin/sh
# Made by tracer-filters: scripts/setup. Taken away by scripts/setup --uninstall.
if [ ! -x $node ] || [ ! -e $file ]; then
  echo "\${0##*/}:" $node or $file "is gone. Run sudo scripts/setup in the clone again." >&2
  exit 69
fi
exec $node $file "\$@"
WRAPPER
}

# Which file goes where: target, tab, source, for man pages and completions that the build made.
pages() {
  local file name
  for file in "$ROOT"/man/*.1; do [ -e "$file" ] && printf '%s\t%s\n' "$PREFIX/share/man/man1/${file##*/}" "$file"; done
  for file in "$ROOT"/completions/bash/*; do
    name=${file##*/}
    [ -e "$file" ] && printf '%s\t%s\n' "$PREFIX/share/bash-completion/completions/${name%.bash}" "$file"
  done
  for file in "$ROOT"/completions/zsh/*; do [ -e "$file" ] && printf '%s\t%s\n' "$PREFIX/share/zsh/site-functions/${file##*/}" "$file"; done
  for file in "$ROOT"/completions/fish/*; do [ -e "$file" ] && printf '%s\t%s\n' "$PREFIX/share/fish/vendor_completions.d/${file##*/}" "$file"; done
  return 0
}

links_current() {
  local name file target source
  while read -r name file; do
    [ -x "$PREFIX/bin/$name" ] && [ "$(cat "$PREFIX/bin/$name")" = "$(wrapper "$file")" ] || return 1
  done < <(commands)
  while IFS=$'\t' read -r target source; do
    [ "$(readlink "$target")" = "$source" ] || return 1
  done < <(pages)
}

# own_folder DIR: makes it with its parents and remembers those that were not there.
own_folder() {
  [ -d "$1" ] && return
  own_folder "$(dirname "$1")"
  mkdir "$1"
  record folder "$1"
}

link_commands() {
  local name file target source before
  need_root "linking the commands in $PREFIX/bin"
  before=$(recorded clone)
  if [ -n "$before" ] && [ "$before" != "$ROOT" ]; then say "the commands ran the clone in $before; from now on they run this one"; fi
  own_folder "$PREFIX/bin"
  while read -r name file; do
    target=$PREFIX/bin/$name
    if [ -e "$target" ] && ! grep -q 'Made by tracer-filters' "$target"; then
      say "left alone: $target is not ours (npm i -g of this package, perhaps); move it away for the clone's command"
      continue
    fi
    wrapper "$file" >"$target.new"
    chmod 755 "$target.new"
    mv "$target.new" "$target"
    record file "$target"
  done < <(commands)
  while IFS=$'\t' read -r target source; do
    own_folder "$(dirname "$target")"
    ln -sfn "$source" "$target"
    record file "$target"
  done < <(pages)
  forget clone
  record clone "$ROOT"
  forget node
  record node "$NODE"
}
