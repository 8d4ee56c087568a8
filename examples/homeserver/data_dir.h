// What the server keeps in its data folder besides the database: the signing
// key and generated secrets.
#pragma once

#include <string>
#include <string_view>

#include "matrixcore/base/random.h"
#include "matrixcore/base/status.h"
#include "matrixcore/crypto/ed25519.h"

namespace matrixcore::server {

// `path`, or `directory`/`path` when it is relative.
std::string PathBelow(const std::string& directory, const std::string& path);

// Makes the folder with mode 0700 unless it exists (its parents with the usual
// mode).  kUnavailable when it cannot be made or used; the message says why.
Status PrepareDataDir(const std::string& path);

// Reads a key in the form of SigningKey::ToFileText, or makes the file with a
// new one and mode 0600.  kDataLoss when the file holds something else.
Result<SigningKey> LoadOrMakeSigningKey(const std::string& path,
                                        Random& random);

// The same for a secret of one line.
Result<std::string> LoadOrMakeSecret(const std::string& path, Random& random);

// The secret of an existing file; kNotFound when there is none.
Result<std::string> LoadSecret(const std::string& path);

// Makes the file with mode 0600 and `text` in it, durable when ok.  It appears
// complete or not at all.
Status WritePrivateFile(const std::string& path, std::string_view text);

// Whether others than the file's owner may read it.
bool ReadableByOthers(const std::string& path);

}  // namespace matrixcore::server
