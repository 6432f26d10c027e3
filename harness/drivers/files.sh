#!/bin/sh
# A driver in shell: one file a key, replaced by rename. `sync FILE…` of the coreutils is fsync.
#
# Try it:  unplug run -- sh harness/drivers/files.sh
while read -r id word a b; do
    case $word in
    open)
        dir=$a
        rm -f "$dir"/*.tmp
        # What a kill left in the page cache alone must not be shown before it is durable.
        sync "$dir" "$dir"/*.value 2>/dev/null
        echo "ack $id del durable=ack"
        ;;
    put)
        if printf '%s\n' "$b" >"$dir/$a.tmp" && sync "$dir/$a.tmp" &&
            mv "$dir/$a.tmp" "$dir/$a.value" && sync "$dir"; then
            echo "ack $id"
        else
            echo "err $id cannot write"
        fi
        ;;
    del)
        if rm -f "$dir/$a.value" && sync "$dir"; then
            echo "ack $id"
        else
            echo "err $id cannot remove"
        fi
        ;;
    dump)
        for file in "$dir"/*.value; do
            [ -e "$file" ] || continue
            key=${file##*/}
            read -r value <"$file"
            echo "have $id ${key%.value} $value"
        done
        echo "ack $id"
        ;;
    close) echo "ack $id" ;;
    esac
done
