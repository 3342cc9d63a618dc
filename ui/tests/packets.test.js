import assert from "node:assert/strict";
import { test } from "node:test";
import { Assembler, MAX_SENT_BYTES, PacketError, encode } from "../src/room/packets.js";

const bytes = (hex) => Uint8Array.from(hex.replaceAll(" ", "").match(/../g), (pair) => parseInt(pair, 16));
const received = (packets, assembler = new Assembler()) => packets.map((one) => assembler.receive(one.slice().buffer)).filter(Boolean);

test("a message has the bytes that the protocol says", () => {
  const [head, data, ...more] = encode({ id: 1, type: "messaging.enable" });
  assert.deepEqual(head, bytes("0000000000000001 00000000 00000001 6d6573736167696e672e656e61626c65"));
  assert.deepEqual(data, bytes("0000000000000001 00000001 0000000000000002 7b7d"));
  assert.equal(more.length, 0);
});

test("what was encoded is received again, in slices of any size", () => {
  const sent = { id: 2 ** 40 + 7, type: "messaging.send", header: { text: "héllo 👋 \ud800" }, data: bytes("00ff10") };
  for (const slice of [1, 5, 1024]) {
    const [message] = received(encode(sent, slice));
    assert.equal(message.id, sent.id);
    assert.equal(message.type, sent.type);
    assert.equal(message.header.text.slice(0, 9), "héllo 👋 ");
    assert.deepEqual([...message.data], [0, 255, 16]);
  }
});

test("a message without packets is an empty one, and trace context is dropped", () => {
  assert.deepEqual(received([bytes("0000000000000003 00000000 00000000 78")])[0].header, {});
  const [message] = received(encode({ id: 1, type: "x", header: { __meshagent__: { v: 1 }, a: 1 } }));
  assert.deepEqual(message.header, { a: 1 });
});

test("what breaks the format is an error, and the next message starts clean", () => {
  const assembler = new Assembler(64);
  const bad = [
    bytes("00"),
    bytes("0000000000000001 00000001 aa"),
    encode({ id: 1, type: "x", header: { text: "y".repeat(100) } })[1],
  ];
  for (const packet of bad) assert.throws(() => assembler.receive(packet.slice().buffer), PacketError);
  const [head] = encode({ id: 1, type: "x" });
  assert.equal(assembler.receive(head.slice().buffer), null);
  assert.throws(() => assembler.receive(head.slice().buffer), PacketError);
  const tooLong = encode({ id: 2, type: "x", header: { text: "y".repeat(100) } });
  assembler.receive(tooLong[0].slice().buffer);
  assert.throws(() => assembler.receive(tooLong[1].slice().buffer), /larger/);
  assert.equal(received(encode({ id: 3, type: "x" }), assembler)[0].id, 3);
});

test("a header that is no object, or longer than its payload, is refused", () => {
  const head = bytes("0000000000000001 00000000 00000001 78");
  for (const payload of ["0000000000000002 5b5d", "00000000000000ff 7b7d", "0000000000000003 7b7d7d", "00"]) {
    const assembler = new Assembler();
    assembler.receive(head.slice().buffer);
    assert.throws(() => assembler.receive(bytes(`0000000000000001 00000001 ${payload}`).buffer), PacketError);
  }
});

test("a message that the room would throw us out for is not made", () => {
  assert.throws(() => encode({ id: 1, type: "x", data: new Uint8Array(MAX_SENT_BYTES) }), RangeError);
});
