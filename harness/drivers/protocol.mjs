// The driver protocol (docs/DRIVER_PROTOCOL.md) for a store in Node.js: read a line, do it, write a line.
//
// A driver imports `serve` and `load` and gives an object of functions, each of which resolves once the
// library's own call has. There is no `reopen`: these libraries have no close, so every store is opened
// by a process of its own.
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

// A package from the folder that the driver's first argument names (`npm install --prefix FOLDER`).
// `file` is the module inside the package, for a package that `require` cannot load.
export const load = (name, file) => {
  if (!process.argv[2]) throw new Error('usage: node DRIVER FOLDER, where npm has installed ' + name)
  const folder = resolve(process.argv[2])
  return file ? import(pathToFileURL(`${folder}/node_modules/${name}/${file}`)) : createRequire(`${folder}/`)(name)
}

// Damage may have left anything in a key, in a value and in what an error quotes.
const printable = (thing) => String(thing).replace(/[^!-~]/g, '?')
const oneLine = (error) => String(error).replace(/[^!-~]+/g, ' ')

// [['put', K, V], ['del', K], …] from `put K V del K …`.
function changesOf (words) {
  const changes = []
  for (let at = 0; at < words.length; at += changes.at(-1).length) {
    changes.push(words.slice(at, at + (words[at] === 'put' ? 3 : 2)))
  }
  return changes
}

export async function serve ({ capabilities, open, change, checkpoint, dump }) {
  for await (const line of createInterface({ input: process.stdin })) {
    const [number, word, ...words] = line.split(' ')
    let reply = ''
    try {
      if (word === 'open') await open(words.join(' '))
      else if (word === 'put' || word === 'del') await change([[word, ...words]])
      else if (word === 'batch') await change(changesOf(words))
      else if (word === 'checkpoint') await checkpoint()
      else if (word === 'dump') {
        for (const [key, value] of await dump()) reply += `have ${number} ${printable(key)} ${printable(value)}\n`
      } else if (word !== 'close') throw new Error(`unknown request ${word}`)
      reply += `ack ${number}${word === 'open' ? ' ' + capabilities : ''}\n`
    } catch (error) {
      reply = `${word === 'open' ? 'refused' : 'err'} ${number} ${oneLine(error)}\n`
    }
    process.stdout.write(reply)
  }
}
