#!/bin/sh
# A driver in shell: one file a key, replaced by rename. `sync FILE…` of the coreutils is fsync.
#
# Try it:  unplug run -- sh harness/drivers/files.sh
while read -r id word a b; do
    case $word in
    open)
        dir=$a
        # What a kill left in the page cache alone must not be shown before it is durable.
        set -- "$dir"
        for file in "$dir"/*.value; do
            [ -e "$file" ] && set -- "$@" "$file"
        done
        if rm -f "$dir"/*.tmp && sync "$@"; then
            echo "ack $id del durable=ack"
        else
            echo "err $id cannot open"
        fi
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
        answer="ack $id"
        for file in "$dir"/*.value; do
            [ -e "$file" ] || continue
            key=${file##*/}
            # A value without its newline was cut short, here or while it was read.
            if read -r value <"$file"; then
                echo "have $id ${key%.value} $value"
            else
                answer="err $id cannot read $key"
            fi
        done
        echo "$answer"
        ;;
    close) echo "ack $id" ;;
    esac
done
