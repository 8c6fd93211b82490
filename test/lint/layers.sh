#!/bin/sh
# Includes go downward only: common -> shm -> workers -> daemon.
set -eu
cd "$(dirname "$0")/../.."
bad=0
rank() {
	case $1 in common) echo 0 ;; shm) echo 1 ;; workers) echo 2 ;; daemon) echo 3 ;; *) echo 9 ;; esac
}
for dir in common shm workers daemon; do
	mine=$(rank "$dir")
	for file in "$dir"/*.c "$dir"/*.h "$dir"/*.cc "$dir"/*.def; do
		[ -e "$file" ] || continue
		for target in $(sed -n 's/^#[ \t]*include "\([a-z]*\)\/.*/\1/p' "$file"); do
			if [ "$(rank "$target")" -gt "$mine" ]; then
				echo "$file: includes $target/, which lies above $dir/"
				bad=1
			fi
		done
	done
done
# A circle between files would need two headers that include each other.
exit $bad
