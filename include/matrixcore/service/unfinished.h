// Work that follows from a commit and takes further ones: a new name on its way
// into rooms, a deactivated user who leaves them.
//
// The commit that makes such work necessary puts a row for it, and the row goes
// when the work is done.  So whatever fails in between, and whenever the
// process ends, the rest is done later: at once while that is likely to help,
// then after growing pauses, and after the next start.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "matrixcore/base/executor.h"
#include "matrixcore/base/function.h"
#include "matrixcore/base/log.h"
#include "matrixcore/base/status.h"
#include "matrixcore/base/time.h"
#include "matrixcore/service/outcomes.h"
#include "matrixcore/store/store.h"

namespace matrixcore {

// Thread-safe.
class UnfinishedWork {
 public:
  struct Deps {
    Store& store;
    const Clock& clock;
    Timers& timers;
    Executor& background;
    Logger& log;
  };

  // One piece of work, as its row names it.
  struct Item {
    std::string kind = {};
    std::string user_id = {};
    std::string key = {};
    Position pos = 0;  // Of the commit that made it necessary.
  };

  // One try at a piece of work.  Dropping it ends it too.
  class Try {
   public:
    virtual ~Try() = default;
    virtual const Item& item() const = 0;
    // Answers whoever began the work, if nobody has: the rest is done behind
    // their back.
    virtual void Answer(Status status) = 0;
    // After a passing failure the work is tried again; after anything else it
    // is over.
    virtual void End(Status status) = 0;
  };
  // Does what is left of a piece of work.  A worker may be called again at any
  // time, also for work that was done.
  using Worker = std::function<void(std::shared_ptr<Try>)>;
  using Done = UniqueFunction<void(Status)>;

  explicit UnfinishedWork(const Deps& deps);
  ~UnfinishedWork();

  // While the server is composed.
  void Handle(std::string kind, Worker worker);

  // The row of a piece of work, for the batch that makes it necessary; its
  // position is the Item's.
  static PositionRef Add(WriteBatch& batch, std::string_view kind,
                         std::string_view user_id, std::string_view key);
  // Calls the worker, after that batch is committed.  `done` hears that the
  // work is done or, when several tries at once did not help, why not; then it
  // is done later all the same.
  void Begin(Item item, Done done);
  // For when nobody knows whether such a batch was committed: looks, in a
  // moment, for work that nobody does.
  void LookLater();
  // When the server is composed: goes on with what was left.
  void Start();
  // Begins nothing any more.
  void Stop();

 private:
  struct Rep;
  std::shared_ptr<Rep> rep_;
};

}  // namespace matrixcore
