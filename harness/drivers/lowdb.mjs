// lowdb: one JSON file, which every `update` writes beside the old one and renames.
//
//   npm install --prefix /tmp/npm lowdb
//   unplug run -- node harness/drivers/lowdb.mjs /tmp/npm
//
// lowdb promises "safe atomic writes" (README, Features). Its writer is steno, whose `Writer.#write` does
// `writeFile(temp)` and `rename(temp, file)` (steno/lib/index.js) and no fsync, of the file or of the folder.
// So an update that has resolved is lost at a power cut, and the file may be empty where the rename
// reaches the disk before the bytes. `durable=ack` is how a user reads a promise that has resolved.
import { load, serve } from './protocol.mjs'

const { JSONFilePreset } = await load('lowdb', 'lib/node.js')
let db

serve({
  capabilities: 'del batch durable=ack',
  open: async (directory) => { db = await JSONFilePreset(`${directory}/db.json`, {}) },
  change: (changes) => db.update((data) => {
    for (const [word, key, value] of changes) {
      if (word === 'put') data[key] = value
      else delete data[key]
    }
  }),
  dump: () => Object.entries(db.data)
})
