#include <benchmark/benchmark.h>

#include <string>

#include "matrixcore/base/random.h"
#include "matrixcore/crypto/base64.h"
#include "matrixcore/crypto/ed25519.h"
#include "matrixcore/crypto/hash.h"

namespace matrixcore {
namespace {

void BM_Sha256(benchmark::State& state) {
  const std::string text(static_cast<size_t>(state.range(0)), 'x');
  for (auto _ : state) benchmark::DoNotOptimize(Sha256(text));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Sha256)->Arg(64)->Arg(1024)->Arg(65536);

void BM_Ed25519Sign(benchmark::State& state) {
  const auto random = NewSeededRandom(1);
  const SigningKey key = SigningKey::Generate(*random, "bench");
  const std::string text(700, 'x');
  for (auto _ : state) benchmark::DoNotOptimize(key.Sign(AsBytes(text)));
}
BENCHMARK(BM_Ed25519Sign);

void BM_Ed25519Verify(benchmark::State& state) {
  const auto random = NewSeededRandom(1);
  const SigningKey key = SigningKey::Generate(*random, "bench");
  const std::string text(700, 'x');
  const Ed25519Signature signature = key.Sign(AsBytes(text));
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        Ed25519Verify(key.public_key(), AsBytes(text), signature));
  }
}
BENCHMARK(BM_Ed25519Verify);

void BM_Base64Signature(benchmark::State& state) {
  const Ed25519Signature signature = {1, 2, 3};
  for (auto _ : state) {
    benchmark::DoNotOptimize(Base64Decode(Base64Encode(signature)));
  }
}
BENCHMARK(BM_Base64Signature);

void BM_RandomId(benchmark::State& state) {
  const auto random = NewSystemRandom();
  for (auto _ : state) benchmark::DoNotOptimize(random->AlphaNumeric(32));
}
BENCHMARK(BM_RandomId);

}  // namespace
}  // namespace matrixcore
