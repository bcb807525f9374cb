# scripts/setup --uninstall: takes away what setup recorded, and what it made in this clone. Source common.sh, node.sh and links.sh first.
# shellcheck shell=bash

# uninstall KEEP_PACKAGES
uninstall() {
  local file other packages
  if [ -e "$STATE_DIR" ]; then
    tests='' need_root "removing what setup installed"
    other=$(recorded clone)
    if [ -n "$other" ] && [ "$other" != "$ROOT" ]; then say "the commands ran the clone in $other: they are taken away all the same, its own files stay"; fi
    recorded file | while read -r file; do rm -f "$file"; done
    recorded folder | sort -r | while read -r file; do rmdir "$file" 2>/dev/null || true; done
    packages=$(recorded package)
    if [ -n "$1" ]; then
      if [ -n "$packages" ]; then say "Debian packages left: $(echo $packages)"; fi
    elif [ -n "$packages" ]; then
      say "removing the Debian packages that setup installed: $(echo $packages)"
      remove_packages "$packages"
      if [ "$(recorded lists)" = empty ]; then find /var/lib/apt/lists -type f -delete; fi
    fi
    rm -rf "${STATE_DIR:?}"
  fi
  rm -rf "$(cache_dir)" "$(dirname "$(cache_dir)")/tracer"
  # What the finder kept about large programs (lib/elf/tls-cache.ts).
  if [ "$(id -u)" = 0 ]; then rm -rf /var/cache/tracer; fi
  rmdir "$(dirname "$(cache_dir)")" 2>/dev/null || true
  (cd "$ROOT" && rm -rf node_modules dist prebuilds man completions lib/bpf/records.gen.ts)
  say "removed"
}
