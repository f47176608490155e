// What a node's frames say, in the console of a LoRaWAN network server: ChirpStack v4 and The Things Stack v3 take
// this file as it is (docs/integrations.md). ECMAScript 5; the bytes are those of docs/wire-format.md, section 9.
//
// A bitstream is shown as it came: what it says needs the node's bundle, and the host has that. Of an image's id a
// chunk holds the low 13 bits, image_low; HELLO tells a whole id near which the next ones are.

var FIRST_PORT = 101;
var TYPES = ["data", "batch", "parity", "status", "hello", "report", "command", "time"];
var COMMANDS = { 1: "advance", 2: "renew", 3: "slot", 4: "ask status", 5: "long tags", 6: "part" };
var HEAD_BYTES = 3, STATUS_BYTES = 8, HELLO_BYTES = 14, BUNDLE_BYTES = 8;
var IMAGE_LOW = 8192, MAX_CHUNKS = 31, AGE_UNKNOWN = 31, DURATION_UNKNOWN = 255;

function decodeUplink(input) {
    return decoded(input, { data: chunkBody, batch: batchBody, status: statusBody, hello: helloBody });
}

// The Things Stack shows with it what was queued for a node.
function decodeDownlink(input) {
    return decoded(input, { report: reportBody, command: commandBody });
}

// {"type": "ask status"}, {"type": "renew"}, or {"type": "report", "images": [4711]}: no further chunk of these is
// wanted. ChirpStack takes the FPort from who queues the downlink: 107, and 106 for a report.
function encodeDownlink(input) {
    var said = input.data || {}, images = said.images || [], bytes = [], i, low;
    if (said.type === "renew" || said.type === "ask status") {
        return { bytes: [said.type === "renew" ? 2 : 4], fPort: FIRST_PORT + 6, warnings: [], errors: [] };
    }
    if (said.type !== "report" || !images.length) {
        return { errors: ["write {\"type\": \"ask status\"}, \"renew\", or \"report\" with \"images\""] };
    }
    for (i = 0; i < images.length; i += 1) {
        if (typeof images[i] !== "number" || images[i] < 0 || Math.floor(images[i]) !== images[i]) {
            return { errors: ["an image's id is a whole number, not " + images[i]] };
        }
        low = images[i] % IMAGE_LOW;
        bytes.push(low >> 8, low & 255);
    }
    return { bytes: bytes, fPort: FIRST_PORT + 5, warnings: [], errors: [] };
}

function decoded(input, bodies) {
    var type = TYPES[input.fPort - FIRST_PORT], data, key;
    if (!bodies.hasOwnProperty(type)) {
        return { errors: ["FPort " + input.fPort + " is none of latentlink's in this direction"] };
    }
    try {
        data = { type: type, bytes: input.bytes.length };
        var said = bodies[type](input.bytes);
        for (key in said) { data[key] = said[key]; }
        return { data: data, warnings: [], errors: [] };
    } catch (error) {
        return { errors: [error.message] };
    }
}

function chunkBody(bytes) {
    var chunk = chunkHead(bytes, 0);
    chunk.bitstream = hex(bytes, HEAD_BYTES, bytes.length);
    return chunk;
}

function batchBody(bytes) {
    var chunks = [], at = 0, chunk, end;
    do {
        chunk = chunkHead(bytes, at);
        end = at + HEAD_BYTES + 1 + bytes[at + HEAD_BYTES];
        if (!(end <= bytes.length)) { throw new Error("a batch ends within its chunk " + chunks.length); }
        chunk.bitstream = hex(bytes, at + HEAD_BYTES + 1, end);
        chunks.push(chunk);
        at = end;
    } while (at < bytes.length);
    return { chunks: chunks };
}

function chunkHead(bytes, at) {
    if (bytes.length - at < HEAD_BYTES) {
        throw new Error("a chunk has " + (bytes.length - at) + " bytes, its head alone has " + HEAD_BYTES);
    }
    var head = number(bytes, at, HEAD_BYTES), index = head >> 5 & 31;
    if (index >= MAX_CHUNKS) { throw new Error("an image has no chunk " + index); }
    return { image_low: head >> 11, chunk: index, is_last: Boolean(head >> 10 & 1), age_s: octaves(head & 31, 1.5, AGE_UNKNOWN) };
}

function statusBody(bytes) {
    if (bytes.length < STATUS_BYTES) {
        throw new Error("a STATUS has " + bytes.length + " bytes, it must have " + STATUS_BYTES + " or more");
    }
    return {
        queue_images: number(bytes, 0, 2),
        oldest_age_s: octaves(bytes[2], 12, DURATION_UNKNOWN),
        budget_s: octaves(bytes[3], 12, DURATION_UNKNOWN),
        evicted: number(bytes, 4, 2),
        heard: bytes[6],
        bad: bytes[7],
        fault: text(bytes, STATUS_BYTES) || null
    };
}

function helloBody(bytes) {
    if (bytes.length !== HELLO_BYTES) {
        throw new Error("a HELLO has " + bytes.length + " bytes, it must have " + HELLO_BYTES);
    }
    return { bundle: hex(bytes, 0, BUNDLE_BYTES), image: number(bytes, BUNDLE_BYTES, HELLO_BYTES - BUNDLE_BYTES) };
}

function reportBody(bytes) {
    if (bytes.length % 2) { throw new Error("a REPORT has 2 bytes for each image, this one has " + bytes.length); }
    var images = [], i;
    for (i = 0; i < bytes.length; i += 2) { images.push(number(bytes, i, 2) % IMAGE_LOW); }
    return { images_low: images };
}

function commandBody(bytes) {
    if (!COMMANDS.hasOwnProperty(bytes[0])) { throw new Error("there is no command " + bytes[0]); }
    return { command: COMMANDS[bytes[0]] };
}

function number(bytes, at, n) {
    var value = 0, i;
    for (i = at; i < at + n; i += 1) { value = value * 256 + bytes[i]; }
    return value;
}

// So many steps per octave of 1 s + duration, to milliseconds.
function octaves(code, steps, unknown) {
    return code === unknown ? null : Math.round((Math.pow(2, code / steps) - 1) * 1000) / 1000;
}

function hex(bytes, from, to) {
    var digits = "", i;
    for (i = from; i < to; i += 1) { digits += (bytes[i] < 16 ? "0" : "") + bytes[i].toString(16); }
    return digits;
}

// UTF-8, and "?" for what is none.
function text(bytes, from) {
    var escaped = "", plain = "", i;
    for (i = from; i < bytes.length; i += 1) {
        escaped += "%" + hex(bytes, i, i + 1);
        plain += bytes[i] < 128 ? String.fromCharCode(bytes[i]) : "?";
    }
    try { return decodeURIComponent(escaped); } catch (error) { return plain; }
}
