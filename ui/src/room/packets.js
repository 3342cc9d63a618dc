/**
 * Packets and envelopes of the room protocol, without input or output.
 *
 * One message is a header packet and the data packets it announces, contiguous on the socket:
 *
 *     header packet   8 bytes message id | 4 bytes 0 | 4 bytes N | UTF-8 type name
 *     data packet i   8 bytes message id | 4 bytes i (1..N)      | a slice of the payload
 *     payload         8 bytes header length | JSON header | raw bytes
 *
 * Integers are big-endian and unsigned.  Each packet travels as one binary websocket message.
 */

export const SLICE_BYTES = 65_536;
export const MAX_MESSAGE_BYTES = 32 * 1024 * 1024;
/** What a room takes from a participant: who sends more is thrown out, so `encode` refuses to. */
export const MAX_SENT_BYTES = 16 * 1024 * 1024;

const PREFIX_BYTES = 12;
const MAX_TYPE_BYTES = 512;
const TWO_32 = 2 ** 32;
const EMPTY = new Uint8Array();

/**
 * @typedef {object} Message
 * @property {number} id     chosen by the sender; a response repeats the request's
 * @property {string} type
 * @property {Record<string, any>} header
 * @property {Uint8Array} data
 */

/** What a peer sent breaks the format or a bound. */
export class PacketError extends Error {}

/**
 * The packets of a message, to be sent in this order with nothing between them.
 * @param {{id: number, type: string, header?: object, data?: Uint8Array}} message
 * @returns {Uint8Array[]}
 */
export function encode({ id, type, header = {}, data = EMPTY }, sliceBytes = SLICE_BYTES) {
  const name = new TextEncoder().encode(type);
  const text = new TextEncoder().encode(wellFormed(JSON.stringify(header)));
  const payload = new Uint8Array(8 + text.length + data.length);
  if (payload.length > MAX_SENT_BYTES) {
    throw new RangeError(`a message of ${payload.length} bytes is over the room's limit of ${MAX_SENT_BYTES}`);
  }
  putLong(new DataView(payload.buffer), 0, text.length);
  payload.set(text, 8);
  payload.set(data, 8 + text.length);

  const count = Math.ceil(payload.length / sliceBytes);
  const first = new Uint8Array(PREFIX_BYTES + 4 + name.length);
  const view = new DataView(first.buffer);
  putLong(view, 0, id);
  view.setUint32(PREFIX_BYTES, count);
  first.set(name, PREFIX_BYTES + 4);
  const packets = [first];
  for (let index = 1; index <= count; index++) {
    const slice = payload.subarray((index - 1) * sliceBytes, index * sliceBytes);
    const packet = new Uint8Array(PREFIX_BYTES + slice.length);
    const at = new DataView(packet.buffer);
    putLong(at, 0, id);
    at.setUint32(8, index);
    packet.set(slice, PREFIX_BYTES);
    packets.push(packet);
  }
  return packets;
}

/** Turns one connection's packets back into messages.  After an error it starts clean. */
export class Assembler {
  constructor(maxBytes = MAX_MESSAGE_BYTES) {
    this.maxBytes = maxBytes;
    this.reset();
  }

  reset() {
    this.type = null;
    this.id = 0;
    this.expected = 0;
    this.size = 0;
    /** @type {Uint8Array[]} */
    this.parts = [];
  }

  /**
   * Take the next packet; returns a message when it completes one, else null.
   * @param {ArrayBuffer} buffer
   * @returns {Message|null}
   */
  receive(buffer) {
    if (buffer.byteLength < PREFIX_BYTES) this.fail("a packet is too short");
    const view = new DataView(buffer);
    const id = view.getUint32(0) * TWO_32 + view.getUint32(4);
    const index = view.getUint32(8);
    if (this.type === null) {
      if (index !== 0) this.fail(`data packet ${index} without a header packet`);
      if (buffer.byteLength < PREFIX_BYTES + 4) this.fail("a header packet is too short");
      if (buffer.byteLength > PREFIX_BYTES + 4 + MAX_TYPE_BYTES) this.fail("a message type is too long");
      const type = new TextDecoder().decode(new Uint8Array(buffer, PREFIX_BYTES + 4));
      const expected = view.getUint32(PREFIX_BYTES);
      if (expected === 0) return { id, type, header: {}, data: EMPTY };
      Object.assign(this, { type, id, expected });
      return null;
    }
    if (id !== this.id) this.fail(`a packet of message ${id} inside message ${this.id}`);
    if (index !== this.parts.length + 1) this.fail(`data packet ${index} where ${this.parts.length + 1} was due`);
    const part = new Uint8Array(buffer, PREFIX_BYTES);
    this.size += part.length;
    if (this.size > this.maxBytes) this.fail(`a message is larger than ${this.maxBytes} bytes`);
    this.parts.push(part);
    return index === this.expected ? this.close() : null;
  }

  close() {
    const { id, type, parts, size } = this;
    this.reset();
    const payload = parts.length === 1 ? parts[0] : joined(parts, size);
    if (payload.length < 8) this.fail("a payload is shorter than its header length");
    const view = new DataView(payload.buffer, payload.byteOffset);
    const end = 8 + view.getUint32(0) * TWO_32 + view.getUint32(4);
    if (end > payload.length) this.fail("a header is longer than its payload");
    let header;
    try {
      header = end === 8 ? {} : JSON.parse(new TextDecoder().decode(payload.subarray(8, end)));
    } catch {
      this.fail("a header is not JSON");
    }
    if (header === null || typeof header !== "object" || Array.isArray(header)) this.fail("a header is no object");
    delete header.__meshagent__; // trace context: allowed, not part of the message
    return { id, type, header, data: payload.subarray(end) };
  }

  /** @returns {never} */
  fail(reason) {
    this.reset();
    throw new PacketError(reason);
  }
}

function putLong(view, at, value) {
  view.setUint32(at, Math.floor(value / TWO_32));
  view.setUint32(at + 4, value % TWO_32);
}

function joined(parts, size) {
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Half a surrogate pair in somebody's text must not end a connection whose peer reads strict UTF-8. */
function wellFormed(text) {
  return text.isWellFormed && !text.isWellFormed() ? text.toWellFormed() : text;
}
