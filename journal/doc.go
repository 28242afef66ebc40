// Package journal keeps records in an append-only log: the segment files of a
// directory that one process at a time may use. It knows nothing of what a
// record says.
//
// A record that Append has returned for survives the end of the process,
// however that comes (kill -9): it was given to the kernel by one write(2). It
// survives a loss of power once Sync has returned too.
//
// A segment, NUMBER.log, is a header and frames:
//
//	header  "l9 log 1"  crc  0  seq  base  salt     4-byte crc, 8-byte numbers
//	frame   fe ff L 9   length  crc  records        4-byte numbers
//	seal    fe ff L s   8       crc  length of the segment before
//
// all little-endian. A frame is one write, each of its records with its length
// (uvarint) before it. A seal says that the segment before is there for good,
// whole. A frame's checksum is of the segment's random salt, the
// frame's offset, the length and the records, so that neither an old frame nor
// bytes that a record quotes can pass for one. The segments that count are
// those from base of the newest header on.
package journal
