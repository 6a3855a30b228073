// A server on Node's own http: it echoes what it sees, byte for byte, and answers in many ways.
// Each request is told on stdout as a line of JSON, and so is each connection's end.
'use strict'
const http = require('node:http')
const zlib = require('node:zlib')

const MIB = Buffer.alloc(1 << 20, Buffer.from(Array.from({ length: 256 }, (_, n) => n)))
const TEXT = Buffer.from('a line that compresses well\n'.repeat(500))

const tell = (event) => process.stdout.write(JSON.stringify(event) + '\n')

const heard = (req, then) => {
  const pieces = []
  req.on('data', (piece) => pieces.push(piece))
  req.on('end', () => then(Buffer.concat(pieces)))
}

// Node knows nothing of such an answer, so the connection ends behind it.
const raw = (req, text) => req.socket.end(Buffer.from(text, 'latin1'))

// By the first segment of the path.
const answers = {
  // The request as it came: names in their case and order, values in their bytes, trailers.
  echo (req, res) {
    heard(req, (body) => {
      const lines = [`${req.method} ${req.url} HTTP/${req.httpVersion}`]
      const fields = [...req.rawHeaders, '', '--', ...req.rawTrailers]
      for (let n = 0; n < fields.length; n += 2) lines.push(`${fields[n]}: ${fields[n + 1]}`)
      const head = Buffer.from(lines.join('\n') + '\n\n', 'latin1')
      res.writeHead(200, { 'Content-Type': 'application/octet-stream' })
      res.end(Buffer.concat([head, body]))
    })
  },
  // Whatever the query says: status, reason, body, and fields as `Name:value`.
  say (req, res, query) {
    const fields = query.getAll('field').flatMap((each) => {
      const at = each.indexOf(':')
      return [each.slice(0, at), Buffer.from(each.slice(at + 1), 'utf8').toString('latin1')]
    })
    const reason = query.get('reason')
    const status = Number(query.get('status') ?? 200)
    if (reason === null) res.writeHead(status, fields)
    else res.writeHead(status, Buffer.from(reason, 'utf8').toString('latin1'), fields)
    res.end(query.get('body') ?? '')
  },
  hints (req, res) {
    res.writeEarlyHints({ link: '</style.css>; rel=preload', 'x-hint': 'yes' }, () => {
      res.end('after hints')
    })
  },
  processing (req, res) {
    res.writeProcessing()
    res.writeProcessing()
    res.end('after two')
  },
  events (req, res) {
    res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' })
    let n = 0
    const next = () => {
      res.write(`id: ${n}\ndata: event ${n}\n\n`)
      if (++n === 4) return res.end()
      setTimeout(next, 10)
    }
    next()
  },
  pieces (req, res) {
    for (let n = 0; n < 50; n++) res.write(Buffer.alloc(n * 7 + 1, n))
    res.end()
  },
  big (req, res) { res.end(MIB) },
  bigchunked (req, res) {
    for (let n = 0; n < MIB.length; n += 30011) res.write(MIB.subarray(n, n + 30011))
    res.end()
  },
  coded (req, res, query) {
    const code = { gzip: zlib.gzipSync, deflate: zlib.deflateSync, br: zlib.brotliCompressSync }
    const coding = query.get('by')
    res.writeHead(200, { 'Content-Encoding': coding, 'Content-Type': 'text/plain' })
    res.end(code[coding](TEXT))
  },
  lying (req, res) {
    res.writeHead(200, { 'Content-Encoding': 'gzip', 'Content-Type': 'text/plain' })
    res.end('this is no gzip')
  },
  trailers (req, res) {
    res.writeHead(200, { Trailer: 'X-Sum' })
    res.write('body')
    res.addTrailers({ 'X-Sum': '42' })
    res.end()
  },
  bare (req, res) {
    res.sendDate = false
    res.removeHeader('Connection')
    res.end('no Date, no Connection')
  },
  // On the socket, past Node's own writer.
  untilclose (req) { raw(req, 'HTTP/1.1 200 OK\r\nX-A: b\r\n\r\nuntil the end') },
  old (req) { raw(req, 'HTTP/1.0 200 Fine\r\nContent-Length: 3\r\n\r\nold') },
  oldopen (req) { raw(req, 'HTTP/1.0 200 OK\r\n\r\nold, until the end') },
  noreason (req) { raw(req, 'HTTP/1.1 200 \r\nConnection: close\r\nContent-Length: 2\r\n\r\nok') },
  odd (req) {
    raw(req, 'HTTP/1.1 299 Tr\xe8s \x80 bien!\r\nConnection: close\r\nx-lower: 1\r\nX-UPPER:2\r\nX-Tab:\t3\t\r\n' +
      'X-Latin: caf\xe9\r\nX-Empty:\r\nX-Twice: a\r\nx-twice: b\r\nContent-Length: 2\r\n\r\nok')
  },
  extensions (req) {
    raw(req, 'HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n' +
      '3;a=b;c="d"\r\nabc\r\n0005\r\ndefgh\r\n0;last\r\n\r\n')
  },
  // Broken off.
  cut (req) { raw(req, 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf') },
  cutchunked (req) {
    raw(req, 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n')
  },
  reset (req, res) {
    res.writeHead(200, { 'Content-Length': 100 })
    res.write('half', () => req.socket.resetAndDestroy())
  },
  nothing (req) { req.socket.destroy() },
  // Before the body has come.
  early (req, res) { res.writeHead(413, { 'X-Early': 'yes' }).end('too much') },
  earlyclose (req, res) { res.writeHead(413, { Connection: 'close' }).end('too much') },
  // No hint how long the connection is kept.
  unhinted (req, res) { heard(req, () => res.setHeader('Connection', 'keep-alive').end('ok')) },
  ok (req, res) { heard(req, () => res.end('ok')) }
}

const serve = (req, res) => {
  const { authorization = '' } = req.headers
  const fields = req.rawHeaders.join('\n').replace(`Authorization\n${authorization}`, '')
  tell({ line: `${req.method} ${req.url}`, authorization, fields })
  const url = new URL(req.url, 'http://localhost')
  const answer = answers[url.pathname.split('/')[1]] ?? answers.ok
  answer(req, res, url.searchParams)
}

const server = http.createServer(serve)
if (process.argv[2]) server.keepAliveTimeout = Number(process.argv[2])
server.on('checkContinue', (req, res) => {
  if (req.url.includes('refused')) return res.writeHead(417).end('not that')
  res.writeContinue()
  serve(req, res)
})
server.on('connection', (socket) => {
  let first = 'node'
  socket.once('end', () => { first = 'client' })
  socket.once('close', () => tell({ closed: first }))
})
server.listen(0, '127.0.0.1', () => tell({ port: server.address().port }))
