// Sixteen goroutines on as many threads as the runtime likes, each with a file of its own; a static
// binary that uses no C library.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	var group sync.WaitGroup
	for i := 0; i < 16; i++ {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			for round := 0; round < 20; round++ {
				name := filepath.Join(os.Args[1], fmt.Sprintf("file-%d", i))
				file, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0644)
				check(err)
				fmt.Fprintf(file, "round %d\n", round)
				if round%5 == 0 {
					check(file.Sync())
				}
				check(file.Close())
				if round%7 == 6 {
					check(os.Rename(name, name+"-old"))
				}
			}
		}(i)
	}
	group.Wait()
}
