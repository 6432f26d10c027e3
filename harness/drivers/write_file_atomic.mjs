// write-file-atomic with `fsync: false`: one JSON file of settings, as configstore and others keep it.
//
//   npm install --prefix /tmp/npm write-file-atomic
//   unplug run -- node harness/drivers/write_file_atomic.mjs /tmp/npm
//
// "If the fsync option is false, writeFile will skip the final fsync call" (README, Options): lib/index.js
// writes a file beside the old one and renames it, and nothing makes the bytes or the rename durable. So a
// write that has resolved is lost at a power cut, and the file may be empty where the rename reaches the
// disk before the bytes. `durable=ack` is how a user reads a promise that has resolved.
import { readFile } from 'node:fs/promises'
import { load, serve } from './protocol.mjs'

const writeFileAtomic = load('write-file-atomic')
let path
let data

serve({
  capabilities: 'del batch durable=ack',
  open: async (directory) => {
    path = `${directory}/settings.json`
    const text = await readFile(path, 'utf8').catch((error) => {
      if (error.code !== 'ENOENT') throw error
      return '{}'
    })
    data = JSON.parse(text)
  },
  change: async (changes) => {
    const next = { ...data }
    for (const [word, key, value] of changes) {
      if (word === 'put') next[key] = value
      else delete next[key]
    }
    await writeFileAtomic(path, JSON.stringify(next), { fsync: false })
    data = next
  },
  dump: () => Object.entries(data)
})
