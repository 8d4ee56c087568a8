#include "matrixcore/http/in_process.h"

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <utility>

namespace matrixcore {
namespace {

// Runs tasks when the test says so, on the test's thread.
class ManualExecutor : public Executor {
 public:
  bool Post(Task task) override { return PostAdmitted(std::move(task)); }
  bool PostAdmitted(Task task) override {
    if (closed) return false;
    tasks_.push_back(std::move(task));
    return true;
  }
  void Shutdown() override { closed = true; }
  void RunAll() {
    while (!tasks_.empty()) {
      Task task = std::move(tasks_.front());
      tasks_.pop_front();
      task();
    }
  }
  bool closed = false;

 private:
  std::deque<Task> tasks_;
};

class ManualTime : public Clock, public Timers {
 public:
  Timestamp Now() const override { return {0}; }
  MonotonicTime Monotonic() const override { return now_; }
  Id At(MonotonicTime when, Task task) override {
    timers_.emplace(++last_, std::make_pair(when, std::move(task)));
    return last_;
  }
  bool Cancel(Id id) override { return timers_.erase(id) == 1; }
  void Advance(Duration by) {
    now_ = now_ + by;
    for (auto it = timers_.begin(); it != timers_.end();) {
      if (it->second.first > now_) {
        ++it;
        continue;
      }
      Task task = std::move(it->second.second);
      it = timers_.erase(it);
      task();
    }
  }
  size_t size() const { return timers_.size(); }

 private:
  MonotonicTime now_;
  Id last_ = 0;
  std::map<Id, std::pair<MonotonicTime, Task>> timers_;
};

class Recorder : public HttpHandler {
 public:
  void Handle(HttpRequest request, Responder respond) override {
    requests.push_back(std::move(request));
    responders.push_back(std::move(respond));
  }
  std::vector<HttpRequest> requests;
  std::vector<Responder> responders;
};

class InProcessNetworkTest : public ::testing::Test {
 protected:
  void Send(HttpClient::Outgoing request) {
    outcome_.reset();
    network_->Send(std::move(request), [this](Result<HttpResponse> result) {
      ASSERT_FALSE(outcome_) << "called twice";
      outcome_ = std::move(result);
    });
  }
  // How a request came out that was finished.
  StatusCode Code() {
    return outcome_ ? outcome_->status().code() : StatusCode::kInternal;
  }

  ManualExecutor executor_;
  ManualTime time_;
  Recorder server_;
  std::optional<InProcessNetwork> network_{std::in_place, executor_, time_,
                                           time_};
  std::optional<Result<HttpResponse>> outcome_;
};

TEST_F(InProcessNetworkTest, CarriesRequestsAndAnswers) {
  network_->Add("Example.org:8448", server_);
  HttpClient::Outgoing request{.method = HttpMethod::kPut,
                               .url = "https://example.ORG:8448/a%2Fb?c#d",
                               .body = "{}"};
  request.headers.Add("X-One", "1");
  Send(std::move(request));
  EXPECT_TRUE(server_.requests.empty());  // Never inside Send().
  executor_.RunAll();
  ASSERT_EQ(server_.requests.size(), 1u);
  const HttpRequest& seen = server_.requests[0];
  EXPECT_EQ(seen.method, HttpMethod::kPut);
  EXPECT_EQ(seen.target, "/a%2Fb?c");
  EXPECT_EQ(seen.headers.Get("x-one"), "1");
  EXPECT_EQ(seen.headers.Get("Host"), "example.org:8448");
  EXPECT_EQ(seen.body, "{}");
  EXPECT_TRUE(seen.over_tls);
  EXPECT_FALSE(outcome_);
  HttpResponse response;
  response.status = 404;
  response.body = "no";
  server_.responders[0](std::move(response));
  ASSERT_TRUE(outcome_ && outcome_->ok());
  EXPECT_EQ((*outcome_)->status, 404);
  EXPECT_EQ((*outcome_)->body, "no");
  EXPECT_EQ(time_.size(), 0u);
}

TEST_F(InProcessNetworkTest, UnderstandsDefaultPortsAndEmptyPaths) {
  network_->Add("a", server_);
  for (const char* url : {"http://a", "http://a:80/", "https://a:443/",
                          "HTTPS://A/", "http://a?x"}) {
    network_->Send({.url = url}, [](Result<HttpResponse>) {});
  }
  executor_.RunAll();
  ASSERT_EQ(server_.requests.size(), 5u);
  EXPECT_EQ(server_.requests[0].target, "/");
  EXPECT_EQ(server_.requests[4].target, "/?x");
}

TEST_F(InProcessNetworkTest, RefusesBadUrlsAndUnknownServers) {
  for (const char* url :
       {"", "a/b", "ftp://a/", "http://", "http:///x", "http://user@a/"}) {
    Send({.url = url});
    executor_.RunAll();
    EXPECT_EQ(Code(), StatusCode::kInvalidArgument) << url;
  }
  Send({.url = "http://nobody/"});
  executor_.RunAll();
  EXPECT_EQ(Code(), StatusCode::kUnavailable);
}

TEST_F(InProcessNetworkTest, TimesOutAndTellsTheHandler) {
  network_->Add("a", server_);
  Send({.url = "http://a/", .timeout = seconds(5)});
  executor_.RunAll();
  bool gone = false;
  server_.requests[0].peer->OnGone([&] { gone = true; });
  time_.Advance(seconds(4));
  EXPECT_FALSE(outcome_);
  time_.Advance(seconds(1));
  EXPECT_EQ(Code(), StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(gone);
  EXPECT_TRUE(server_.requests[0].peer->gone());
  server_.responders[0](HttpResponse());  // Too late: nothing happens.
}

TEST_F(InProcessNetworkTest, LimitsTheAnswerAndEmptiesThatOfHead) {
  network_->Add("a", server_);
  Send({.url = "http://a/", .max_response_bytes = 3});
  executor_.RunAll();
  HttpResponse response;
  response.body = "four";
  server_.responders[0](response);
  EXPECT_EQ(Code(), StatusCode::kTooLarge);
  Send({.method = HttpMethod::kHead, .url = "http://a/"});
  executor_.RunAll();
  server_.responders[1](response);
  EXPECT_EQ((*outcome_)->body, "");
}

TEST_F(InProcessNetworkTest, FailsWhatASwitchedOffServerOwes) {
  network_->Add("a", server_);
  Send({.url = "http://a/"});
  executor_.RunAll();
  network_->Remove("a");
  EXPECT_EQ(Code(), StatusCode::kUnavailable);
  // What was still in line never reaches the handler.
  network_->Add("a", server_);
  Send({.url = "http://a/"});
  network_->Remove("a");
  executor_.RunAll();
  EXPECT_EQ(Code(), StatusCode::kUnavailable);
  EXPECT_EQ(server_.requests.size(), 1u);
}

TEST_F(InProcessNetworkTest, FailsEverythingWhenItIsDestroyed) {
  network_->Add("a", server_);
  Send({.url = "http://a/"});
  executor_.RunAll();
  network_.reset();
  EXPECT_EQ(Code(), StatusCode::kUnavailable);
  server_.responders.clear();
}

TEST_F(InProcessNetworkTest, FailsWhenTheExecutorIsClosed) {
  network_->Add("a", server_);
  executor_.Shutdown();
  Send({.url = "http://a/"});
  EXPECT_EQ(Code(), StatusCode::kUnavailable);
}

}  // namespace
}  // namespace matrixcore
