// A driver in Go: an append-only log with group commit. Requests run at once; one goroutine writes what has
// gathered, syncs once and answers all of it. Once a write or a sync failed nothing is written until the next
// `open`, and what failed is not told to have happened.
//
// Try it:  go build -o group_commit harness/drivers/group_commit.go && unplug run -- ./group_commit
// (With the argument `nosync` it does not sync, which is found.)
package main

import (
	"bufio"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
)

type write struct{ id, line, key, value string }

var (
	log     *os.File
	table   map[string]string
	queue   chan write
	drained chan bool
	out     = make(chan string)
	noSync  = len(os.Args) > 1 && os.Args[1] == "nosync"
)

func framed(body string) string {
	return fmt.Sprintf("%08x %s\n", crc32.ChecksumIEEE([]byte(body)), body)
}

// Reads the log up to the first line that does not check out, and publishes what it read as a new one.
func open(dir string) error {
	table = map[string]string{}
	old, err := os.ReadFile(filepath.Join(dir, "log"))
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	kept := ""
	for _, line := range strings.SplitAfter(string(old), "\n") {
		body := strings.TrimSuffix(strings.TrimPrefix(line, line[:min(9, len(line))]), "\n")
		key, value, ok := strings.Cut(body, " ")
		if !ok || framed(body) != line {
			break
		}
		table[key] = value
		kept += line
	}
	beside := filepath.Join(dir, "log.new")
	file, err := os.OpenFile(beside, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	if _, err = file.WriteString(kept); err == nil {
		err = file.Sync()
	}
	if err == nil {
		err = os.Rename(beside, filepath.Join(dir, "log"))
	}
	if err == nil {
		var folder *os.File
		if folder, err = os.Open(dir); err == nil {
			err = folder.Sync()
			folder.Close()
		}
	}
	if err != nil {
		file.Close()
		return err
	}
	log, queue, drained = file, make(chan write, 64), make(chan bool)
	go commit()
	return nil
}

// The only one that writes: what has gathered is one group.
func commit() {
	var failed error
	for first := range queue {
		group, text := []write{first}, first.line
		for len(queue) > 0 {
			next := <-queue
			group, text = append(group, next), text+next.line
		}
		if failed == nil {
			_, failed = log.WriteString(text)
		}
		if failed == nil && !noSync {
			failed = log.Sync()
		}
		for _, one := range group {
			if failed != nil {
				out <- fmt.Sprintf("err %s %v", one.id, failed)
			} else {
				table[one.key] = one.value
				out <- "ack " + one.id
			}
		}
	}
	drained <- true
}

func main() {
	go func() {
		for line := range out {
			fmt.Println(line)
		}
	}()
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<24)
	for in.Scan() {
		id, rest, _ := strings.Cut(in.Text(), " ")
		word, rest, _ := strings.Cut(rest, " ")
		var err error
		promise := ""
		switch word {
		case "open":
			err, promise = open(rest), " durable=ack threads=8 reopen"
		case "put":
			key, value, _ := strings.Cut(rest, " ")
			queue <- write{id, framed(rest), key, value}
			continue
		case "dump": // asked alone, so nothing is being written
			for key, value := range table {
				out <- fmt.Sprintf("have %s %s %s", id, key, value)
			}
		case "close":
			close(queue)
			<-drained
			err = log.Close()
		}
		if err != nil {
			out <- fmt.Sprintf("err %s %v", id, err)
		} else {
			out <- "ack " + id + promise
		}
	}
}
