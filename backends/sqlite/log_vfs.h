// The file system that our connections use: SQLite's own, but with the frames
// of a transaction written to the log in large pieces.
//
// SQLite writes a log frame in two calls, its header and its page, which costs
// more than the bytes do.  Here they gather in memory until the frame that
// commits is complete, and go to the file before that call returns: whatever
// SQLite does after a commit (making it durable, telling readers of it) finds
// the file as it would be without us.  A failed write is reported by the call
// that completes the commit, or an earlier one, and fails the transaction.
//
// Everything else, and every other file, goes straight to the file system that
// is SQLite's default when the file is opened.
#pragma once

namespace matrixcore::sqlite {

// The name to open connections with.  Registers the file system when first
// called.  Thread-safe.  Null, SQLite's default, if there is no memory.
const char* LogVfs();

}  // namespace matrixcore::sqlite
