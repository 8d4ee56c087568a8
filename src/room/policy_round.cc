#include "room/policy_round.h"

#include <atomic>
#include <memory>
#include <utility>

namespace matrixcore {
namespace {

// The answers as they come in.
struct Round {
  std::vector<Result<Ed25519Signature>> answers;
  std::atomic<size_t> missing{0};
  UniqueFunction<void(std::vector<Result<Ed25519Signature>>)> done;
};

}  // namespace

std::optional<PolicyServer> PolicyServerOf(const Event* policy) {
  if (policy == nullptr) return std::nullopt;
  const json::Value content = policy->content();
  const auto via = content["via"].AsString();
  const auto key = content["public_keys"]["ed25519"].AsString();
  if (!via || !key || !content["public_keys"].IsObject()) return std::nullopt;
  return PolicyServer{.name = std::string(*via),
                      .key = ParseEd25519PublicKey(*key)};
}

void AskPolicyServer(
    PolicySigner* signer, std::vector<PolicyQuestion> questions,
    UniqueFunction<void(std::vector<Result<Ed25519Signature>>)> done) {
  const Status unanswered(StatusCode::kUnavailable,
                          "nobody can ask the policy server");
  auto round = std::make_shared<Round>();
  round->answers.assign(questions.size(), unanswered);
  round->missing = questions.size();
  round->done = std::move(done);
  if (signer == nullptr || questions.empty()) {
    return round->done(std::move(round->answers));
  }
  for (size_t i = 0; i < questions.size(); ++i) {
    signer->Sign(questions[i].server, questions[i].event,
                 [round, i](Result<Ed25519Signature> answer) {
                   round->answers[i] = std::move(answer);
                   if (--round->missing > 0) return;
                   round->done(std::move(round->answers));
                 });
  }
}

}  // namespace matrixcore
