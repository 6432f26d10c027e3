// NeDB, as its maintained fork @seald-io/nedb: a log of JSON lines that each load compacts.
//
//   npm install --prefix /tmp/npm @seald-io/nedb
//   unplug run -- node harness/drivers/nedb.mjs /tmp/npm
//
// What it loses it says itself (lib/persistence.js, class Persistence): "compaction forces the OS to
// physically flush data to disk, while appends to the data file do not […] The worst that can happen is a
// crash between two syncs, causing a loss of all data between the two syncs." `persistNewStateAsync` calls
// `appendFile` and no fsync. It also refuses a file of which more than a tenth of the lines are corrupt
// (`corruptAlertThreshold`), so one torn line makes a short file unreadable. `durable=ack` is how a user
// reads a promise that has resolved.
import { load, serve } from './protocol.mjs'

const Datastore = load('@seald-io/nedb')
let db

serve({
  capabilities: 'del checkpoint durable=ack',
  open: (directory) => {
    db = new Datastore({ filename: `${directory}/store.db` })
    return db.loadDatabaseAsync()
  },
  change: ([[word, _id, value]]) => word === 'put'
    ? db.updateAsync({ _id }, { _id, value }, { upsert: true })
    : db.removeAsync({ _id }, {}),
  checkpoint: () => db.compactDatafileAsync(),
  dump: async () => (await db.findAsync({})).map(({ _id, value }) => [_id, value])
})
