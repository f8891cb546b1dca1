'use strict';
/*
 * A T-Library client for Node, without any package: written from
 * docs/protocols/tlibrary.md and its tables, docs/protocols/tlibrary.json.
 *
 *   const { TLibraryClient } = require('./tlibrary.js');
 *   const client = new TLibraryClient({
 *     addresses: [{ host: '127.0.0.1', port: 3001 }],
 *     application: 'desktop', password: 'secret',
 *   });
 *   client.on('event', (event) => console.log(event.name, event.attributes.ThisDN));
 *   client.start();
 *   await client.register('1001');
 *   await client.request('RequestMakeCall', { ThisDN: '1001', OtherDN: '1002' });
 *
 * On the command line:
 *
 *   node tlibrary.js --address 127.0.0.1:3001 --application desktop \
 *        --password-file FILE monitor 1001 1002
 *   node tlibrary.js ... send 1001 RequestMakeCall ThisDN=1001 OtherDN=1002
 *   node tlibrary.js ... pipe       one JSON object a line, in and out
 */

const { EventEmitter } = require('node:events');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');
const tls = require('node:tls');

const TABLES = JSON.parse(
  fs.readFileSync(path.join(__dirname, '..', 'protocols', 'tlibrary.json'), 'utf8'),
);
const VERSION = 1;
const FRAME_LIMIT = 65536;
//: 32 within an attribute must be taken; nobody needs more than this.
const DEPTH_LIMIT = 64;
const LIST_DEPTH = 16;
//: The server remembers 1024 answers: whoever waits for no more can repeat them all.
const WAITING_LIMIT = 1000;
//: What may wait for somebody to lift the receiver.
const PATIENT = new Set([
  'RequestRouteCall',
  'RequestInitiateTransfer',
  'RequestMuteTransfer',
  'RequestInitiateConference',
  'RequestSingleStepConference',
]);

const messageByNumber = new Map(TABLES.messages.map((row) => [row.number, row]));
const messageByName = new Map(TABLES.messages.map((row) => [row.name, row]));
const attributeByNumber = new Map(TABLES.attributes.map((row) => [row.number, row]));
const attributeByName = new Map(TABLES.attributes.map((row) => [row.name, row]));

/** The number of a message, by its name. */
function numberOf(name) {
  const row = messageByName.get(name);
  if (row === undefined) throw new TypeError(`no message ${name}`);
  return row.number;
}

/** What the server sent is against the specification. */
class ProtocolError extends Error {}

/** A request was answered EventError; `code` is the field's number. */
class RequestRefused extends Error {
  constructor(code, text, event) {
    super(`${code} ${text}`);
    this.code = code;
    this.text = text;
    this.event = event;
  }
}

/** Nobody knows whether the request was done: the session is lost. */
class OutcomeUnknown extends Error {}

// --- MessagePack -----------------------------------------------------------------

/** Write a value: what unpack() gives. */
function pack(value) {
  const parts = [];
  packInto(parts, value);
  return Buffer.concat(parts);
}

function packInto(parts, value) {
  if (Number.isInteger(value) || typeof value === 'bigint') {
    parts.push(packInteger(value));
  } else if (typeof value === 'number') {
    const float = Buffer.from([0xcb, 0, 0, 0, 0, 0, 0, 0, 0]);
    float.writeDoubleBE(value, 1);
    parts.push(float);
  } else if (value === null || typeof value === 'boolean') {
    parts.push(Buffer.from([value === null ? 0xc0 : 0xc2 + Number(value)]));
  } else if (typeof value === 'string') {
    const bytes = Buffer.from(value, 'utf8');
    parts.push(
      bytes.length < 32
        ? Buffer.from([0xa0 | bytes.length])
        : packLength(bytes.length, 0xd9, 0xda, 0xdb),
      bytes,
    );
  } else if (Buffer.isBuffer(value)) {
    parts.push(packLength(value.length, 0xc4, 0xc5, 0xc6), value);
  } else if (Array.isArray(value)) {
    parts.push(
      value.length < 16
        ? Buffer.from([0x90 | value.length])
        : packLength(value.length, undefined, 0xdc, 0xdd),
    );
    for (const item of value) packInto(parts, item);
  } else if (value instanceof Map) {
    parts.push(
      value.size < 16
        ? Buffer.from([0x80 | value.size])
        : packLength(value.size, undefined, 0xde, 0xdf),
    );
    for (const [key, item] of value) {
      packInto(parts, key);
      packInto(parts, item);
    }
  } else if (value?.invalid !== undefined) {
    parts.push(packLength(value.invalid.length, 0xd9, 0xda, 0xdb), value.invalid);
  } else if (value?.extension !== undefined) {
    const { extension, data } = value;
    const fixed = [1, 2, 4, 8, 16].indexOf(data.length);
    parts.push(
      fixed < 0 ? packLength(data.length, 0xc7, 0xc8, 0xc9) : Buffer.from([0xd4 + fixed]),
      Buffer.from([extension & 0xff]),
      data,
    );
  } else {
    throw new TypeError(`cannot be sent: ${value}`);
  }
}

function packLength(length, one, two, four) {
  if (one !== undefined && length < 0x100) return Buffer.from([one, length]);
  if (length < 0x10000) return Buffer.from([two, length >> 8, length & 0xff]);
  const head = Buffer.alloc(5);
  head[0] = four;
  head.writeUInt32BE(length, 1);
  return head;
}

function packInteger(value) {
  const n = BigInt(value);
  if (n >= 0n && n < 0x80n) return Buffer.from([Number(n)]);
  if (n < 0n && n >= -32n) return Buffer.from([Number(n) & 0xff]);
  const out = Buffer.alloc(9);
  if (n >= 0n) {
    if (n < 0x100n) return Buffer.from([0xcc, Number(n)]);
    if (n < 0x10000n) {
      out[0] = 0xcd;
      out.writeUInt16BE(Number(n), 1);
      return out.subarray(0, 3);
    }
    if (n < 0x100000000n) {
      out[0] = 0xce;
      out.writeUInt32BE(Number(n), 1);
      return out.subarray(0, 5);
    }
    out[0] = 0xcf;
    out.writeBigUInt64BE(n, 1);
    return out;
  }
  if (n >= -0x80000000n) {
    out[0] = 0xd2;
    out.writeInt32BE(Number(n), 1);
    return out.subarray(0, 5);
  }
  out[0] = 0xd3;
  out.writeBigInt64BE(n, 1);
  return out;
}

/**
 * Read the one value that a payload holds.  Integers that a Number cannot hold become
 * BigInts, maps Maps, extension types `{ extension, data }`, strings that are not UTF-8
 * `{ invalid }`.
 */
function unpack(bytes) {
  const reader = new Unpacker(bytes);
  const value = reader.value(0);
  if (reader.at !== bytes.length) throw new ProtocolError('bytes behind the value');
  return value;
}

// A byte order mark is a character like others.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

class Unpacker {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  take(length) {
    const from = this.at;
    if (length > this.bytes.length - from) throw new ProtocolError('cut short');
    this.at = from + length;
    return this.bytes.subarray(from, this.at);
  }

  unsigned(width) {
    const bytes = this.take(width);
    return width === 8 ? small(bytes.readBigUInt64BE()) : bytes.readUIntBE(0, width);
  }

  signed(width) {
    const bytes = this.take(width);
    return width === 8 ? small(bytes.readBigInt64BE()) : bytes.readIntBE(0, width);
  }

  string(length) {
    const bytes = this.take(length);
    try {
      return utf8.decode(bytes);
    } catch {
      return { invalid: Buffer.from(bytes) }; // a value of no attribute's type
    }
  }

  value(depth) {
    if (depth > DEPTH_LIMIT) throw new ProtocolError('nested too deep');
    const type = this.take(1)[0];
    if (type < 0x80) return type;
    if (type < 0x90) return this.map(type & 0x0f, depth);
    if (type < 0xa0) return this.array(type & 0x0f, depth);
    if (type < 0xc0) return this.string(type & 0x1f);
    if (type >= 0xe0) return type - 0x100;
    switch (type) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: case 0xc5: case 0xc6:
        return Buffer.from(this.take(this.unsigned(1 << (type - 0xc4))));
      case 0xc7: case 0xc8: case 0xc9:
        return this.extension(this.unsigned(1 << (type - 0xc7)));
      case 0xca: return this.take(4).readFloatBE();
      case 0xcb: return this.take(8).readDoubleBE();
      case 0xcc: case 0xcd: case 0xce: case 0xcf:
        return this.unsigned(1 << (type - 0xcc));
      case 0xd0: case 0xd1: case 0xd2: case 0xd3:
        return this.signed(1 << (type - 0xd0));
      case 0xd4: case 0xd5: case 0xd6: case 0xd7: case 0xd8:
        return this.extension(1 << (type - 0xd4));
      case 0xd9: case 0xda: case 0xdb:
        return this.string(this.unsigned(1 << (type - 0xd9)));
      case 0xdc: case 0xdd:
        return this.array(this.unsigned(2 << (type - 0xdc)), depth);
      case 0xde: case 0xdf:
        return this.map(this.unsigned(2 << (type - 0xde)), depth);
      default: throw new ProtocolError('0xc1 is no MessagePack');
    }
  }

  extension(length) {
    return { extension: this.signed(1), data: Buffer.from(this.take(length)) };
  }

  array(length, depth) {
    // Each element has a byte at least: no room is made for what cannot be there.
    if (length > this.bytes.length - this.at) throw new ProtocolError('cut short');
    const items = [];
    for (let i = 0; i < length; i += 1) items.push(this.value(depth + 1));
    return items;
  }

  map(length, depth) {
    if (2 * length > this.bytes.length - this.at) throw new ProtocolError('cut short');
    const items = new Map();
    for (let i = 0; i < length; i += 1) {
      const key = this.value(depth + 1);
      items.set(key, this.value(depth + 1));
    }
    return items;
  }
}

function small(n) {
  return n >= Number.MIN_SAFE_INTEGER && n <= Number.MAX_SAFE_INTEGER ? Number(n) : n;
}

// --- Messages --------------------------------------------------------------------

/** Cuts a stream into payloads. */
class FrameReader {
  constructor() {
    this.chunks = [];
    this.size = 0;
  }

  receive(bytes) {
    this.chunks.push(bytes);
    this.size += bytes.length;
  }

  /** The next payload, or undefined when more bytes are needed. */
  next() {
    if (this.size < 4) return undefined;
    if (this.chunks[0].length < 4) this.join();
    const length = this.chunks[0].readUInt32BE(0);
    if (length === 0 || length > FRAME_LIMIT) {
      throw new ProtocolError(`a frame of ${length} bytes`);
    }
    if (this.size < 4 + length) return undefined;
    if (this.chunks[0].length < 4 + length) this.join();
    const [first] = this.chunks;
    if (first.length === 4 + length) this.chunks.shift();
    else this.chunks[0] = first.subarray(4 + length);
    this.size -= 4 + length;
    return first.subarray(4, 4 + length);
  }

  join() {
    this.chunks = [Buffer.concat(this.chunks)];
  }
}

/** A whole frame of a message. */
function frame(position, reference, name, attributes = {}) {
  const map = new Map();
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null) continue;
    const row = attributeByName.get(key);
    if (row !== undefined) map.set(row.number, toWire(row, value));
    else if (/^\d+$/.test(key)) map.set(Number(key), value);
    else throw new TypeError(`no attribute ${key}`);
  }
  const payload = pack([position, reference, numberOf(name), map]);
  if (payload.length > FRAME_LIMIT) throw new RangeError(`${name} is too large`);
  const head = Buffer.alloc(4);
  head.writeUInt32BE(payload.length);
  return Buffer.concat([head, payload]);
}

/**
 * What a payload says: `{ position, reference, number, name, attributes }`.
 * Enumerations are given by name, unknown attributes under their number.
 */
function parse(payload) {
  const value = unpack(payload);
  if (!Array.isArray(value) || value.length < 4) throw new ProtocolError('no message');
  const [position, reference, number, map] = value;
  if (
    !isUnsigned(position) || !isUnsigned(reference) || reference > 0xffffffff
    || !isUnsigned(number) || number > 0xffff || !(map instanceof Map)
  ) {
    throw new ProtocolError('a message of wrong types');
  }
  const attributes = {};
  for (const [key, item] of map) {
    if (!isUnsigned(key)) throw new ProtocolError('an attribute without number');
    const row = attributeByNumber.get(key);
    // One of an unexpected type is kept like an unknown one, under its number.
    if (row === undefined || !CHECKS[row.type]?.(item)) attributes[key] = item;
    else attributes[row.name] = fromWire(row, item);
  }
  const name = messageByNumber.get(number)?.name ?? `Message${number}`;
  return { position, reference, number, name, attributes };
}

function isUnsigned(value) {
  return (Number.isInteger(value) || typeof value === 'bigint') && value >= 0;
}

function toWire(row, value) {
  if (row.type === 'enumeration' && typeof value === 'string') {
    const number = TABLES.enumerations[row.enumeration]?.[value];
    if (number === undefined) throw new TypeError(`${row.name}: no ${value}`);
    return number;
  }
  return value;
}

const CHECKS = {
  string: (value) => typeof value === 'string',
  integer: (value) => Number.isInteger(value),
  unsigned: isUnsigned,
  ConnID: (value) => typeof value === 'string' && /^[0-9a-f]{16}$/.test(value),
  CallUUID: (value) => typeof value === 'string' && /^[0-9a-f]{32}$/.test(value),
  binary: Buffer.isBuffer,
  enumeration: isUnsigned,
  list: (value) => isList(value),
  time: (value) => Array.isArray(value) && value.length === 2 && value.every(isUnsigned),
};

function isList(value, depth = LIST_DEPTH) {
  return Array.isArray(value) && depth > 0 && value.every(
    (pair) => Array.isArray(pair) && pair.length === 2 && typeof pair[0] === 'string'
      && (typeof pair[1] === 'string' || Number.isInteger(pair[1])
        || Buffer.isBuffer(pair[1]) || isList(pair[1], depth - 1)),
  );
}

function fromWire(row, value) {
  if (row.type !== 'enumeration') return value;
  const members = TABLES.enumerations[row.enumeration] ?? {};
  for (const [name, number] of Object.entries(members)) {
    if (number === value) return name;
  }
  return value;
}

/** The first value of a key in a key-value list. */
function get(list, key) {
  return list?.find(([name]) => name === key)?.[1];
}

/** An input mask that lets through the named messages. */
function mask(names) {
  const bits = Buffer.alloc(64);
  for (const name of names) bits[numberOf(name) >> 3] |= 1 << (numberOf(name) & 7);
  return bits;
}

// --- The client ------------------------------------------------------------------

/**
 * Stays connected to a server, or to a pair of them, and misses nothing.
 *
 * Emits
 *   state(name)            connecting, registering, working, waiting, ended
 *   info(attributes)       EventServerInfo, after each connecting
 *   role(attributes)       another member of the pair is primary, or the same one anew
 *   restart(kind)          Snapshot or Lost: what was believed of DNs is outdated
 *   link(connected, event) whether the node reaches the telephones
 *   event(message)         a numbered message; handled when all listeners return
 *   closing(attributes)    why the server ends the connection
 *   refused(error)         the server does not want this client: it has ended
 *   trouble(error)         a connection failed, or was against the specification
 */
class TLibraryClient extends EventEmitter {
  /**
   * @param {object} options
   *   addresses    [{ host, port }], tried in turn
   *   application, password
   *   tls          options of tls.connect, or true; without: clear text
   *   keepAlive    seconds
   *   inputMask    see mask()
   *   session      what another client's `session` said, to go on from there
   *   timeout      seconds until a request is given up; 60
   *   patience     the same for one that may wait for people; 200
   *   pause        seconds before the second attempt, then doubled each time that all
   *                addresses were tried; 0.2
   *   longestPause 20
   *   stale        seconds for which an old primary is known without a link; 60
   */
  constructor(options) {
    super();
    const usual = { timeout: 60, patience: 200, pause: 0.2, longestPause: 20, stale: 60 };
    this.options = { ...usual, ...options };
    this.state = 'new';
    this.linked = false;
    const { sessionID = null, epoch = 0, position = 0, from = 0 } = options.session ?? {};
    this.sessionID = sessionID;
    this.epoch = epoch;
    this.roleEpoch = 0;
    this.from = from; // RoleEpoch of the primary that gave us all up to `handled`
    this.leftAt = null;
    this.handled = position;
    this.info = null;
    this.acknowledged = position;
    this.unacknowledgedBytes = 0;
    this.waiting = new Map(); // reference -> { name, attributes, resolve, ... }
    this.registrations = new Map(); // DN -> attributes of its request
    // A client that goes on with the session of another process does not know which
    // references that one used: it begins somewhere else.
    this.reference = options.session ? Math.floor(Math.random() * 0xfffffff0) : 0;
    this.attempts = 0;
    this.socket = null;
    this.timers = {};
  }

  /** What is needed to go on in another process. */
  get session() {
    const { sessionID, epoch, handled: position, from } = this;
    return { sessionID, epoch, position, from };
  }

  start() {
    if (this.state === 'new') this.connect();
    return this;
  }

  /**
   * Register a DN, and again whenever the session was lost.
   *
   * @returns {Promise<object|null>} EventRegistered; null when the session of another
   *   process, which this client goes on with, has registered the DN already.
   */
  register(dn, attributes = {}) {
    const asked = { ThisDN: dn, ...attributes };
    return this.request('RequestRegisterAddress', asked)
      .catch((error) => {
        if (error.code !== 43) throw error;
        return null;
      })
      .then((event) => {
        this.registrations.set(dn, asked);
        return event;
      });
  }

  unregister(dn) {
    this.registrations.delete(dn);
    return this.request('RequestUnregisterAddress', { ThisDN: dn });
  }

  /**
   * Send a request, now or when connected; sent again under its reference when the
   * connection is lost before the answer is there.
   *
   * @returns {Promise<object>} the event that answers it; rejected with
   *   RequestRefused, OutcomeUnknown, or an Error when given up.
   */
  request(name, attributes = {}) {
    if (this.state === 'ended') return Promise.reject(new Error('the client has ended'));
    if (this.waiting.size >= WAITING_LIMIT) {
      return Promise.reject(new Error(`${WAITING_LIMIT} requests are waiting`));
    }
    return new Promise((resolve, reject) => {
      const reference = this.nextReference();
      frame(this.handled, reference, name, attributes); // throws before it is kept
      const { timeout, patience } = this.options;
      const timer = setTimeout(() => {
        this.waiting.delete(reference);
        reject(new Error(`${name}: no answer`));
      }, (PATIENT.has(name) ? Math.max(patience, timeout) : timeout) * 1000);
      this.waiting.set(reference, { name, attributes, resolve, reject, timer });
      if (this.state === 'working') this.ask(reference);
    });
  }

  /** End the session in order. */
  stop() {
    if (this.state === 'working') this.send(0, 'LinkClosing');
    const { socket } = this;
    this.end(new Error('the client was stopped'));
    if (socket === null) return Promise.resolve();
    return new Promise((resolve) => {
      socket.once('close', resolve);
      socket.setTimeout(5000, () => socket.destroy());
      socket.resume();
      socket.end();
    });
  }

  /** Leave without a word, as a process does that dies; the session stays. */
  abandon() {
    const { socket } = this;
    this.end(new Error('the client was abandoned'));
    socket?.destroy();
  }

  /** Lose the connection, as the network does; the client comes back. */
  cut() {
    this.socket?.resetAndDestroy();
  }

  // What follows is nobody's business but the client's own.

  nextReference() {
    do {
      this.reference = this.reference >= 0xffffffff ? 1 : this.reference + 1;
    } while (this.waiting.has(this.reference));
    return this.reference;
  }

  become(state) {
    this.state = state;
    this.emit('state', state);
  }

  connect() {
    const { addresses, tls: secure } = this.options;
    const { host, port } = addresses[this.attempts % addresses.length];
    this.attempts += 1;
    this.become('connecting');
    const reader = new FrameReader();
    const ready = () => this.connected(socket);
    const socket = secure
      ? tls.connect(
        {
          host,
          port,
          minVersion: 'TLSv1.2',
          ...(net.isIP(host) ? {} : { servername: host }),
          ...(secure === true ? {} : secure),
        },
        ready,
      )
      : net.connect({ host, port }, ready);
    this.socket = socket;
    this.timers.opening = setTimeout(() => this.fail(socket, 'no connection'), 3600);
    socket.setNoDelay(true);
    socket.on('data', (bytes) => {
      if (this.socket !== socket) return;
      this.heard = performance.now();
      try {
        reader.receive(bytes);
        let payload = reader.next();
        while (payload !== undefined) {
          this.unacknowledgedBytes += payload.length;
          this.received(parse(payload));
          if (this.socket !== socket) return;
          payload = reader.next();
        }
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        this.fail(socket, error.message);
      }
    });
    socket.on('error', (error) => this.emit('trouble', error));
    socket.on('close', () => this.lost(socket));
  }

  connected(socket) {
    if (this.socket !== socket) return;
    clearTimeout(this.timers.opening);
    this.heard = performance.now();
    this.become('registering');
    const { application, password = '', keepAlive, inputMask } = this.options;
    const resuming = this.sessionID !== null;
    this.startup = this.nextReference();
    this.send(this.startup, 'RequestRegisterClient', {
      ApplicationName: application,
      ApplicationPassword: password,
      ProtocolVersion: VERSION,
      KeepAlive: keepAlive,
      InputMask: inputMask,
      ...(resuming ? { SessionID: this.sessionID, Epoch: this.epoch } : {}),
      ...(resuming && this.from !== 0 ? { RoleEpoch: this.from } : {}),
    });
    this.timers.opening = setTimeout(() => this.fail(socket, 'no EventServerInfo'), 5000);
  }

  fail(socket, why) {
    if (this.socket !== socket) return;
    this.emit('trouble', new ProtocolError(why));
    socket.destroy();
  }

  lost(socket) {
    if (this.socket !== socket) return;
    if (this.state === 'working') this.leftAt = performance.now();
    this.quiet();
    this.become('waiting');
    const { addresses, pause, longestPause } = this.options;
    const rounds = Math.floor((this.attempts - 1) / addresses.length);
    const longest = Math.min(pause * 2 ** Math.min(rounds, 16), longestPause);
    const wait = longest * (0.5 + Math.random()) * 1000;
    this.timers.waiting = setTimeout(() => this.connect(), wait);
  }

  quiet() {
    this.socket = null;
    for (const timer of Object.values(this.timers)) clearTimeout(timer);
    this.timers = {};
  }

  end(error) {
    if (this.state === 'ended') return;
    this.quiet();
    for (const { reject, timer } of this.waiting.values()) {
      clearTimeout(timer);
      reject(error);
    }
    this.waiting.clear();
    this.become('ended');
  }

  ask(reference) {
    const request = this.waiting.get(reference);
    if (request === undefined) return;
    request.sent = true;
    this.send(reference, request.name, request.attributes);
  }

  send(reference, name, attributes) {
    this.socket.write(frame(this.handled, reference, name, attributes));
    this.acknowledged = this.handled;
    this.unacknowledgedBytes = 0;
  }

  received(message) {
    if (this.state === 'registering') this.registered(message);
    else if (message.name === 'LinkPoll') this.send(message.reference, 'LinkPollAnswer');
    else if (message.name === 'LinkPollAnswer') this.emit('poll', message);
    else if (message.name === 'LinkClosing') this.closing(message);
    else if (message.position !== 0) this.numbered(message);
    else if (message.name === 'EventLinkConnected') this.link(true, message);
    else if (message.name === 'EventLinkDisconnected') this.link(false, message);
    // Anything else without a number is of a later version.
  }

  link(connected, message) {
    this.linked = connected;
    this.emit('link', connected, message);
  }

  closing(message) {
    this.emit('closing', message.attributes);
    const { socket } = this;
    if (message.attributes.ErrorCode === 42) {
      // Somebody else goes on with this session: coming back would take it from him.
      this.end(new Error('the session was taken over'));
    }
    socket.destroy();
  }

  registered(message) {
    const { name, attributes, reference } = message;
    if (name === 'LinkPoll') {
      this.send(reference, 'LinkPollAnswer');
      return;
    }
    if (name === 'LinkClosing') {
      this.closing(message);
      return;
    }
    if (reference !== this.startup) throw new ProtocolError(`${name} before the start`);
    if (name === 'EventError') {
      this.refused(message);
      return;
    }
    if (name !== 'EventServerInfo') throw new ProtocolError(`${name} at the start`);
    const elsewhere = this.elsewhere(attributes);
    if (elsewhere !== null) {
      this.fail(this.socket, elsewhere);
      return;
    }
    if (attributes.ProtocolVersion !== VERSION) {
      throw new ProtocolError(`version ${attributes.ProtocolVersion}`);
    }
    clearTimeout(this.timers.opening);
    this.attempts = 1;
    const kind = attributes.ResumeResult;
    this.info = attributes;
    this.sessionID = attributes.SessionID;
    this.epoch = attributes.Epoch;
    this.mayJump = kind === 'Snapshot';
    if (kind === 'New' || kind === 'Lost') {
      this.handled = 0;
      this.acknowledged = 0;
    }
    this.watch(attributes.KeepAlive * 1000, this.socket);
    const { RoleEpoch: roleEpoch = 0 } = attributes;
    if (kind === 'Lost') this.startAgain();
    // The primary before may have registered something, and told nobody else of it.
    else if (kind === 'Snapshot' && roleEpoch !== this.from) this.registerAgain();
    if (kind !== 'Snapshot') this.from = roleEpoch;
    const before = [...this.waiting.keys()];
    const changed = this.roleEpoch !== 0 && this.roleEpoch !== roleEpoch;
    this.roleEpoch = roleEpoch;
    this.leftAt = null;
    this.become('working');
    this.emit('info', attributes);
    if (changed) this.emit('role', attributes);
    if (kind === 'Snapshot' || kind === 'Lost') this.emit('restart', kind);
    for (const each of before) if (this.state === 'working') this.ask(each);
  }

  /** Why another member of the pair serves, and not this one; null: this one does. */
  elsewhere({ ServerRole: role, RoleEpoch: epoch = 0 }) {
    if (role === 'Backup') return 'it is backup';
    const { stale } = this.options;
    const since = this.leftAt === null ? 0 : performance.now() - this.leftAt;
    if (since > stale * 1000) this.roleEpoch = 0;
    return epoch < this.roleEpoch ? `it is primary of epoch ${epoch} no more` : null;
  }

  startAgain() {
    for (const [reference, request] of [...this.waiting]) {
      // Those that wait since before the connection go out now, for the first time.
      if (request.name !== 'RequestRegisterAddress' && request.sent) {
        clearTimeout(request.timer);
        this.waiting.delete(reference);
        request.reject(new OutcomeUnknown(`${request.name}: the session was lost`));
      }
    }
    this.registerAgain();
  }

  registerAgain() {
    for (const [dn, attributes] of this.registrations) {
      // Not sent here, but with all others that wait: the state is not working yet.
      this.request('RequestRegisterAddress', attributes).catch((error) => {
        if (error.code === 43) return;
        this.registrations.delete(dn);
        this.emit('trouble', error);
      });
    }
  }

  refused(message) {
    const { ErrorCode: code, ErrorMessage: text } = message.attributes;
    const error = new RequestRefused(code, text, message);
    const { socket } = this;
    if ([40, 52].includes(code)) {
      this.emit('trouble', error);
    } else {
      this.end(error);
      this.emit('refused', error);
    }
    socket.destroy();
  }

  numbered(message) {
    const { position } = message;
    if (position <= this.handled) {
      this.answer(message); // a repetition
      return;
    }
    if (position !== this.handled + 1 && !this.mayJump) {
      throw new ProtocolError(`${position} follows ${this.handled}`);
    }
    if (this.mayJump) {
      this.mayJump = false;
      this.from = this.roleEpoch; // what came before a snapshot is of another primary
    }
    this.emit('event', message);
    this.handled = position;
    this.answer(message);
    this.acknowledge();
  }

  answer(message) {
    const request = this.waiting.get(message.reference);
    if (message.reference === 0 || request === undefined) return;
    this.waiting.delete(message.reference);
    clearTimeout(request.timer);
    if (message.name === 'EventError') {
      const { ErrorCode: code, ErrorMessage: text } = message.attributes;
      request.reject(new RequestRefused(code, text, message));
    } else {
      request.resolve(message);
    }
  }

  acknowledge() {
    const behind = this.handled - this.acknowledged;
    if (this.state !== 'working' || behind === 0) return;
    if (behind >= 256 || this.unacknowledgedBytes >= 262144) this.send(0, 'LinkPollAnswer');
    else if (this.timers.acknowledging === undefined) {
      this.timers.acknowledging = setTimeout(() => {
        delete this.timers.acknowledging;
        if (this.handled > this.acknowledged) this.send(0, 'LinkPollAnswer');
      }, 1000);
    }
  }

  /** Poll when nothing is heard, and give up when that does not help. */
  watch(interval, socket) {
    let polled = false;
    const look = () => {
      const silent = performance.now() - this.heard;
      if (silent < interval) polled = false;
      else if (!polled) {
        polled = true;
        this.send(0, 'LinkPoll');
      } else if (silent >= 2 * interval) {
        this.fail(socket, 'nothing heard');
        return;
      }
      const next = (polled ? 2 : 1) * interval - (performance.now() - this.heard);
      this.timers.watching = setTimeout(look, Math.max(next, 1));
    };
    this.timers.watching = setTimeout(look, interval);
  }
}

module.exports = {
  FrameReader,
  OutcomeUnknown,
  ProtocolError,
  RequestRefused,
  TABLES,
  TLibraryClient,
  frame,
  get,
  mask,
  pack,
  parse,
  text,
  unpack,
};

// --- The command -----------------------------------------------------------------

const USAGE = `node tlibrary.js OPTIONS COMMAND

  --address HOST:PORT     of the server; more than one are tried in turn
  --application NAME      --password-file FILE
  --ca FILE               use TLS, and trust this certificate authority
  --keep-alive SECONDS
  --session FILE          go on with the session that the file holds; kept up to date

  monitor DN...           print the events of DNs
  send DN NAME KEY=VALUE...   register a DN, send one request, print the answer
  pipe                    commands and events as JSON, one object a line
`;

function jsonValue(key, value) {
  if (typeof value === 'bigint') return value.toString();
  if (value?.type === 'Buffer') return { hex: Buffer.from(value.data).toString('hex') };
  return value;
}

function fromJSON(key, value) {
  return typeof value?.hex === 'string' ? Buffer.from(value.hex, 'hex') : value;
}

const ESCAPES = { '\\': '\\\\', "'": "\\'", '\n': '\\n', '\r': '\\r', '\t': '\\t' };

function escaped(character) {
  if (ESCAPES[character]) return ESCAPES[character];
  const code = character.codePointAt(0).toString(16);
  if (code.length <= 2) return `\\x${code.padStart(2, '0')}`;
  return code.length <= 4 ? `\\u${code.padStart(4, '0')}` : `\\U${code.padStart(8, '0')}`;
}

function quoted(string) {
  return `'${string.replace(/[\\']|[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu, escaped)}'`;
}

function bytesAsText(bytes) {
  return `bin: ${bytes.toString('hex').replace(/..(?!$)/g, '$& ')}`;
}

function listAsText(pairs, indent) {
  const lines = pairs.map(([key, value]) => {
    const start = `\n${indent}${quoted(key)}\t`;
    if (Array.isArray(value)) return start + listAsText(value, `${indent}\t`);
    if (Buffer.isBuffer(value)) return start + bytesAsText(value);
    return start + (typeof value === 'string' ? quoted(value) : value);
  });
  return `[${pairs.length}]${lines.join('')}`;
}

const TEXTS = {
  string: quoted,
  binary: bytesAsText,
  list: (pairs) => listAsText(pairs, '\t\t'),
  time: ([seconds, micro]) => `${seconds}.${String(micro).padStart(6, '0')}`,
};

function attributeLines(key, value) {
  const row = attributeByName.get(key);
  if (row === undefined) return [`\tAttribute${key}\t${bytesAsText(pack(value))}`];
  if (key === 'time') {
    const clock = new Date((value[0] % 86400) * 1000).toISOString().slice(11, 19);
    return [
      `\tAttributeTimeinuSecs\t${value[1]}`,
      `\tAttributeTimeinSecs\t${value[0]} (${clock})`,
    ];
  }
  let shown = TEXTS[row.type]?.(value) ?? String(value);
  if (row.type === 'enumeration') {
    const number = toWire(row, value);
    const label = typeof value === 'string' ? value : TABLES.errors[value];
    shown = label === undefined ? String(number) : `${number} [${label}]`;
  }
  return [`\tAttribute${key}\t${shown}`];
}

/** A message as text, in the look of the field. */
function text(message) {
  const lines = [`${message.name} (${message.number})`];
  if (message.position) {
    const number = BigInt(message.position).toString(16).padStart(16, '0');
    lines.push(`\tAttributeEventSequenceNumber\t${number}`);
  }
  if (message.reference) lines.push(`\tAttributeReferenceID\t${message.reference}`);
  const first = ['time', 'ServerStartTime'];
  const order = (key) => (first.includes(key) ? first.indexOf(key) - first.length
    : attributeByName.get(key)?.number ?? Infinity);
  const keys = Object.keys(message.attributes).sort((a, b) => order(a) - order(b));
  for (const key of keys) lines.push(...attributeLines(key, message.attributes[key]));
  return lines.join('\n');
}

function readArguments(words) {
  const options = { addresses: [] };
  const rest = [...words];
  while (rest.length && rest[0].startsWith('--')) {
    const [name, value] = rest.splice(0, 2);
    if (value === undefined) throw new TypeError(`${name} wants a value`);
    if (name === '--address') {
      const colon = value.lastIndexOf(':');
      const host = value.slice(0, colon).replace(/^\[|\]$/g, '');
      options.addresses.push({ host, port: Number(value.slice(colon + 1)) });
    } else if (name === '--application') options.application = value;
    else if (name === '--password-file') {
      [options.password] = fs.readFileSync(value, 'utf8').split(/\r?\n/);
    } else if (name === '--ca') options.tls = { ca: fs.readFileSync(value) };
    else if (name === '--keep-alive') options.keepAlive = Number(value);
    else if (name === '--pause') options.pause = Number(value);
    else if (name === '--session') {
      options.file = value;
      if (fs.existsSync(value)) options.session = JSON.parse(fs.readFileSync(value));
    } else throw new TypeError(`no option ${name}`);
  }
  if (!options.addresses.length || !options.application || !rest.length) {
    throw new TypeError('an address, an application and a command are wanted');
  }
  return [options, rest];
}

/**
 * Write down where we are: behind the listener that prints the event, and before it
 * counts as handled, since what is acknowledged the server forgets.
 */
function keepSession(client, file) {
  client.on('event', ({ position }) => {
    fs.writeFileSync(`${file}.new`, JSON.stringify({ ...client.session, position }));
    fs.renameSync(`${file}.new`, file);
  });
}

function watchOver(client) {
  const say = (...words) => process.stderr.write(`${words.join(' ')}\n`);
  client.on('state', (state) => say('--', state));
  client.on('link', (connected) => say('-- link', connected ? 'connected' : 'disconnected'));
  client.on('role', ({ RoleEpoch }) => say('-- another primary, epoch', RoleEpoch));
  client.on('restart', (kind) => say('-- events were missed:', kind));
  client.on('closing', (why) => say('-- closed:', why.ErrorCode, why.ErrorMessage));
  client.on('trouble', (error) => say('--', error.message));
  client.on('refused', (error) => {
    say('-- refused:', error.message);
    process.exitCode = 1;
  });
}

async function monitor(client, dns) {
  client.on('event', (event) => process.stdout.write(`${text(event)}\n`));
  process.once('SIGINT', () => client.stop());
  for (const dn of dns) {
    await client.register(dn).catch((error) => process.stderr.write(`${dn}: ${error.message}\n`));
  }
}

async function sendOne(client, [dn, name, ...pairs]) {
  const attributes = {};
  for (const pair of pairs) {
    const [key, ...value] = pair.split('=');
    const { type } = attributeByName.get(key) ?? {};
    const numeric = type === 'integer' || type === 'unsigned';
    attributes[key] = type === 'list' ? JSON.parse(value.join('='))
      : numeric ? Number(value.join('=')) : value.join('=');
  }
  try {
    await client.register(dn);
    process.stdout.write(`${text(await client.request(name, attributes))}\n`);
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
  await client.stop();
}

function pipe(client) {
  const say = (what, rest) => {
    process.stdout.write(`${JSON.stringify({ what, ...rest }, jsonValue)}\n`);
  };
  client.on('event', (event) => say('event', event));
  client.on('state', (state) => say('state', { state, session: client.session }));
  client.on('info', (attributes) => say('info', { attributes }));
  client.on('link', (connected) => say('link', { connected }));
  client.on('role', ({ RoleEpoch }) => say('role', { epoch: RoleEpoch }));
  client.on('restart', (kind) => say('restart', { kind }));
  client.on('closing', (attributes) => say('closing', { attributes }));
  client.on('poll', () => say('poll', {}));
  client.on('refused', (error) => say('refused', { code: error.code, text: error.text }));
  client.on('trouble', (error) => say('trouble', { why: error.message }));
  const orders = {
    request: ({ id, name, attributes }) => {
      const asked = name === 'RequestRegisterAddress'
        ? client.register(attributes.ThisDN, attributes)
        : client.request(name, attributes);
      return asked.then(
        (event) => say('answer', { id, name: event?.name, attributes: event?.attributes }),
        (error) => say('failed', { id, code: error.code ?? null, why: error.message }),
      );
    },
    poll: () => client.send(0, 'LinkPoll'),
    cut: () => client.cut(),
    pause: () => client.socket?.pause(),
    resume: () => client.socket?.resume(),
    abandon: () => client.abandon(),
    stop: () => client.stop(),
  };
  let before = '';
  process.stdin.setEncoding('utf8');
  process.stdin.on('data', (some) => {
    const lines = (before + some).split('\n');
    before = lines.pop();
    for (const line of lines.filter(Boolean)) {
      const order = JSON.parse(line, fromJSON);
      orders[order.do](order);
    }
  });
  process.stdin.on('end', () => client.stop());
  client.on('state', (state) => {
    if (state === 'ended') process.stdin.destroy();
  });
}

function main(words) {
  let options;
  let command;
  try {
    [options, command] = readArguments(words);
  } catch (error) {
    process.stderr.write(`${error.message}\n${USAGE}`);
    process.exitCode = 2;
    return;
  }
  const client = new TLibraryClient(options);
  const [name, ...rest] = command;
  if (name === 'pipe') pipe(client);
  else watchOver(client);
  if (name === 'monitor') monitor(client, rest);
  else if (name === 'send') sendOne(client, rest);
  else if (name !== 'pipe') {
    process.stderr.write(USAGE);
    process.exitCode = 2;
    return;
  }
  if (options.file) keepSession(client, options.file);
  client.start();
}

if (require.main === module) main(process.argv.slice(2));
