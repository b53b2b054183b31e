#!/bin/sh
# Stands in for `python3 -m pip` in tests. What it does is said by the files beside the link that it is started through:
# package.whl is what it "downloads"; the files no-pip, fail, full, nothing, half and slow each change how that ends.
here=$(dirname "$0")
if [ "$3" = "--version" ]; then
    [ -e "$here/no-pip" ] && { echo "No module named pip" >&2; exit 1; }
    echo "pip 99.0 from $here"
    exit 0
fi
echo "$@" >> "$here/asked"
while [ $# -gt 0 ]; do
    [ "$1" = "--dest" ] && dest=$2
    shift
done
echo "Collecting package"
echo "  Downloading package-1.0-py3-none-any.whl (1.5 kB)"
[ -e "$here/fail" ] && { echo "ERROR: No matching distribution found" >&2; exit 1; }
[ -e "$here/full" ] && { echo "ERROR: [Errno 28] No space left on device" >&2; exit 1; }
[ -e "$here/nothing" ] && exit 0
if [ -e "$here/half" ]; then
    head -c 100 "$here/package.whl" > "$TMPDIR/package.part"
    kill -9 $$
fi
if [ -e "$here/slow" ]; then
    cp "$here/package.whl" "$TMPDIR/package.part"
    sleep 2
fi
cp "$here/package.whl" "$dest/package-1.0-py3-none-any.whl"
