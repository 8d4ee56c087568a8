// The file system that our connections use: SQLite's own, but kinder to disks.
//
// The log.  SQLite writes a frame in two calls, its header and its page, which
// costs more than the bytes do.  Here the frames of a transaction gather in
// memory until the one that commits is complete, and go to the file in large
// pieces before that call returns: whatever SQLite does after a commit (making
// it durable, telling readers of it) finds the file as it would be without us.
// A failed write is reported by the call that completes the commit, or an
// earlier one, and fails the transaction.
//
// The database.  It is only written when the log is moved into it, many pages
// at once, and then made durable.  Here that happens piece by piece, so that a
// commit, which waits for the same disk, never waits for all of it.
//
// Every other file goes straight to the file system that is SQLite's default
// when the file is opened.
#pragma once

namespace matrixcore::sqlite {

// The name to open connections with.  Registers the file system when first
// called.  Thread-safe.  Null, SQLite's default, if there is no memory.
const char* VfsName();

}  // namespace matrixcore::sqlite
