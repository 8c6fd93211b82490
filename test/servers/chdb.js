// chdb.js PORT DATA FOLDER - ClickHouse's HTTP interface before the engine of the npm package
// chdb in FOLDER: as much of it as an inserting client needs.
//
// POST /?query=...  The body of an INSERT is its data, in any format of the engine, as it is
//                   or gzip or deflate (Content-Encoding); of anything else the rest of the
//                   query.  `database` and settings are read from the query string.
// One request after another; users, passwords and sessions are not looked at.  Errors: the
// status and X-ClickHouse-Exception-Code of the real server, "Code: N. DB::Exception: ...".
'use strict';
const fs = require('fs');
const http = require('http');
const path = require('path');
const zlib = require('zlib');

const [port, data, folder] = process.argv.slice(2);
const { Session } = require(path.join(folder, 'node_modules', 'chdb'));
fs.mkdirSync(data, { recursive: true });
const session = new Session(data);

const NOT_SETTINGS = new Set(['query', 'database', 'user', 'password', 'query_id', 'session_id',
  'session_timeout', 'session_check', 'default_format', 'compress', 'decompress', 'stacktrace',
  'buffer_size', 'wait_end_of_query', 'quota_key', 'role', 'client_protocol_version',
  'enable_http_compression', 'send_progress_in_http_headers', 'add_http_cors_header',
  'http_zlib_compression_level', 'http_native_compression_disable_checksumming_on_decompress']);
const BAD_REQUEST = new Set([6, 25, 26, 27, 38, 41, 53, 62, 69, 72, 117, 321, 467]);
const NOT_FOUND = new Set([46, 47, 50, 56, 60, 63, 66, 73, 81, 115]);
const INSERT = /^(\s*insert\s+into\s[\s\S]*?)(\s+settings\s+[\s\S]*?)?\s+format\s+(\w+)\s*;?\s*$/i;

let bodies = 0;
const run = (sql, format) => session.queryAsync(sql, { format });
const quoted = (text) => `'${text.replace(/\\/g, '\\\\').replace(/'/g, "\\'")}'`;

async function insert(match, settings, body) {
  const file = path.join(data, `body.${++bodies}`);
  let clause = (match[2] || '').trim();
  for (const [name, value] of settings)
    clause += `${clause ? ',' : 'settings'} ${name.replace(/\W/g, '')} = ${quoted(value)}`;
  fs.writeFileSync(file, body);
  try {
    return await run(`${match[1]} from infile ${quoted(file)} ${clause} format ${match[3]}`);
  } finally {
    fs.unlinkSync(file);
  }
}

async function answer(request, body) {
  const url = new URL(request.url, 'http://localhost');
  const query = url.searchParams.get('query') || '';
  const encoding = request.headers['content-encoding'];
  if (encoding === 'gzip') body = zlib.gunzipSync(body);
  else if (encoding === 'deflate') body = zlib.inflateSync(body);
  else if (encoding)
    throw new Error(`Code: 48. DB::Exception: no ${encoding} here. (NOT_IMPLEMENTED)`);
  const settings = [...url.searchParams].filter(([k]) =>
    !NOT_SETTINGS.has(k) && !k.startsWith('param_'));
  await run(`use ${'`' + (url.searchParams.get('database') || 'default').replace(/`/g, '') + '`'}`);
  const match = INSERT.exec(query);
  if (match) {
    // The engine says NO_DATA_TO_INSERT where the server takes nothing gladly.
    return body.length ? insert(match, settings, body) : null;
  }
  const form = url.searchParams.get('default_format') || 'TabSeparated';
  return run([query, body.toString()].filter((s) => s).join('\n'),
    request.headers['x-clickhouse-format'] || form);
}

async function serve(request, response, body) {
  try {
    const result = await answer(request, body);
    const bytes = result ? Buffer.from(result.bytes()) : Buffer.alloc(0);
    response.writeHead(200, { 'Content-Type': 'text/tab-separated-values; charset=UTF-8',
      'Content-Length': bytes.length });
    response.end(bytes);
  } catch (e) {
    const found = /Code: (\d+)\./.exec(e.message);
    const code = found ? Number(found[1]) : 0;
    const text = Buffer.from(`${e.message}\n`);
    response.writeHead(BAD_REQUEST.has(code) ? 400 : NOT_FOUND.has(code) ? 404
      : code === 48 ? 501 : 500, { 'Content-Type': 'text/plain; charset=UTF-8',
      'Content-Length': text.length, 'X-ClickHouse-Exception-Code': String(code) });
    response.end(text);
  }
}

let last = Promise.resolve();
const server = http.createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    if (request.url === '/ping' || (request.method === 'GET' && request.url === '/'))
      return response.end('Ok.\n');
    last = last.then(() => serve(request, response, Buffer.concat(parts)));
  });
});
server.keepAliveTimeout = 60000;
server.listen(Number(port), '127.0.0.1', 1024);
process.on('SIGTERM', () => {
  session.close();
  process.exit(0);
});
