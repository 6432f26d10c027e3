// node-json-db: one JSON file, which every `push` and `delete` writes again (`saveOnPush`, the default).
//
//   npm install --prefix /tmp/npm node-json-db
//   unplug run -- node harness/drivers/node_json_db.mjs /tmp/npm
//
// `Config` has a fifth argument `syncOnSave`, false by default (dist/lib/JsonDBConfig.js), which
// AtomicFileAdapter hands to `atomically` as `fsync`: with false that writes a file beside the old one and
// renames it without any fsync. So a push that has resolved is lost at a power cut, and the file may be
// empty where the rename reaches the disk before the bytes. `durable=ack` is how a user reads a promise that
// has resolved.
import { load, serve } from './protocol.mjs'

const { JsonDB, Config } = load('node-json-db')
const pathOf = (key) => '/' + encodeURIComponent(key) // its paths give `/` and `[` a meaning
let db

serve({
  capabilities: 'del durable=ack',
  open: (directory) => {
    db = new JsonDB(new Config(`${directory}/store.json`))
    return db.load()
  },
  change: ([[word, key, value]]) => word === 'put' ? db.push(pathOf(key), value) : db.delete(pathOf(key)),
  dump: async () => Object.entries(await db.getData('/')).map(([key, value]) => [decodeURIComponent(key), value])
})
