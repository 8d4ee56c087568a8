// matrixcore-inspect: looks at Matrix events with the eyes of the protocol
// core.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <functional>
#include <string>
#include <system_error>
#include <vector>

#include "commands.h"
#include "input.h"
#include "room.h"

namespace matrixcore::inspect {
namespace {

constexpr int kNegative = 1;  // The answer is no.
constexpr int kTrouble = 2;   // There is no answer.

int Fail(const std::string& message) {
  fmt::print(stderr, "matrixcore-inspect: {}\n", message);
  return kTrouble;
}

int Print(const Result<std::string>& text) {
  if (!text.ok()) return Fail(text.status().message());
  std::fwrite(text->data(), 1, text->size(), stdout);
  return std::fflush(stdout) == 0 ? 0 : Fail("cannot write");
}

// What the options of all commands fill.
struct Options {
  std::string input = "-";
  std::string room_version;
  bool lax = false;
  std::string entity;
  std::string key_file;
  std::string key_id;
  std::string public_key;
  std::string vectors;
  std::string event;
  std::string state;
  std::vector<std::string> events;
  std::vector<std::string> states;
  std::string format = "dot";
  std::string output;
  bool auth = false;
};

Result<const RoomVersionRules*> Rules(const Options& options) {
  return RulesOf("--room-version", options.room_version);
}

int RunCanonical(const Options& o) {
  const Result<Input> input = ReadInput(o.input);
  return input.ok() ? Print(Canonical(*input, o.lax))
                    : Fail(input.status().message());
}

using EventCommand = Result<std::string> (*)(const Input&,
                                             const RoomVersionRules&);

int RunEventCommand(const Options& o, EventCommand command) {
  const Result<const RoomVersionRules*> rules = Rules(o);
  if (!rules.ok()) return Fail(rules.status().message());
  const Result<Input> input = ReadInput(o.input);
  if (!input.ok()) return Fail(input.status().message());
  return Print(command(*input, **rules));
}

Result<std::string> DoSign(const Options& o) {
  const RoomVersionRules* rules = nullptr;
  if (!o.room_version.empty()) {
    MC_ASSIGN_OR_RETURN(rules, Rules(o));
  }
  MC_ASSIGN_OR_RETURN(Input key_file, ReadInput(o.key_file));
  key_file.text.erase(key_file.text.find_last_not_of(" \r\n") + 1);
  const Result<SigningKey> key = SigningKey::Parse(key_file.text);
  if (!key.ok()) return Wrong(key_file.name, key.status().message());
  MC_ASSIGN_OR_RETURN(const Input input, ReadInput(o.input));
  return Sign(input, rules, o.entity, *key);
}

Result<Answer> DoVerify(const Options& o) {
  const RoomVersionRules* rules = nullptr;
  if (!o.room_version.empty()) {
    MC_ASSIGN_OR_RETURN(rules, Rules(o));
  }
  const auto key = ParseEd25519PublicKey(o.public_key);
  if (!key.has_value()) {
    return Wrong("--public-key",
                 "is not an Ed25519 key; give its 32 bytes as base64");
  }
  MC_ASSIGN_OR_RETURN(const Input input, ReadInput(o.input));
  return Verify(input, rules, o.entity, o.key_id, *key);
}

int RunVerify(const Options& o) {
  const Result<Answer> answer = DoVerify(o);
  if (!answer.ok()) return Fail(answer.status().message());
  const int printed = Print(answer->text);
  return printed != 0 ? printed : answer->good ? 0 : kNegative;
}

Result<std::vector<Input>> ReadInputs(const std::vector<std::string>& paths) {
  std::vector<Input> inputs;
  for (const std::string& path : paths) {
    MC_ASSIGN_OR_RETURN(Input input, ReadInput(path));
    inputs.push_back(std::move(input));
  }
  return inputs;
}

Result<std::string> DoAuthCheck(const Options& o) {
  if (!o.vectors.empty()) {
    MC_ASSIGN_OR_RETURN(const Input input, ReadInput(o.vectors));
    return AuthCheckVectors(input);
  }
  if (!o.events.empty()) {
    MC_ASSIGN_OR_RETURN(const std::vector<Input> events, ReadInputs(o.events));
    return AuthCheckAll(events, o.room_version);
  }
  if (o.event.empty() || o.state.empty()) {
    return Wrong("auth-check",
                 "name --vectors, or --events, or both --event and --state");
  }
  MC_ASSIGN_OR_RETURN(const Input event, ReadInput(o.event));
  MC_ASSIGN_OR_RETURN(const Input state, ReadInput(o.state));
  return AuthCheckByState(event, state, o.room_version);
}

Result<RoomInput> ReadRoom(const Options& o) {
  RoomInput input;
  input.room_version = o.room_version;
  MC_ASSIGN_OR_RETURN(input.events, ReadInputs(o.events));
  MC_ASSIGN_OR_RETURN(input.states, ReadInputs(o.states));
  return input;
}

int RunRoomCommand(
    const Options& o,
    const std::function<Result<std::string>(const RoomInput&)>& command) {
  const Result<RoomInput> input = ReadRoom(o);
  if (!input.ok()) return Fail(input.status().message());
  const Result<std::string> text = command(*input);
  if (!text.ok() || o.output.empty()) return Print(text);
  std::ofstream file(o.output, std::ios::binary);
  file << *text;
  file.close();
  if (file.good()) return 0;
  return Fail(fmt::format("{}: cannot be written: {}; name another --output",
                          o.output, std::generic_category().message(errno)));
}

void AddInput(CLI::App* command, Options* o) {
  command->add_option(
      "FILE", o->input,
      "JSON or JSON Lines; standard input if left out or \"-\"");
}
CLI::Option* AddVersion(CLI::App* command, Options* o) {
  return command->add_option("-r,--room-version", o->room_version,
                             "room version, 1 to 12");
}

// The commands and what runs for each.
class Program {
 public:
  Program()
      : app_(
            "Looks at Matrix events: canonical JSON, ids, hashes, "
            "signatures, authorisation, state resolution.") {
    app_.set_version_flag("--version", MATRIXCORE_VERSION);
    app_.require_subcommand(1);
    app_.footer(
        "Exit status: 0, 1 when the answer of `verify` is no, 2 on bad input.");
    AddEventCommands();
    AddSignatureCommands();
    AddRoomCommands();
  }

  int Run(int argc, char** argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      return app_.exit(error) == 0 ? 0 : kTrouble;
    }
    return run_ ? run_() : kTrouble;
  }

 private:
  CLI::App* Add(const char* name, const char* help, std::function<int()> run) {
    CLI::App* command = app_.add_subcommand(name, help);
    command->callback([this, run = std::move(run)] { run_ = run; });
    return command;
  }

  void AddEventCommands() {
    CLI::App* canonical = Add("canonical", "Print JSON in canonical form",
                              [this] { return RunCanonical(o_); });
    AddInput(canonical, &o_);
    canonical->add_flag("--lax", o_.lax,
                        "accept the numbers of room versions 1 to 5");
    const struct {
      const char* name;
      const char* help;
      EventCommand command;
    } kCommands[] = {
        {"event-id", "Print the ids of events", &EventIds},
        {"hash", "Print content and reference hashes of events", &Hashes},
        {"redact", "Print the redacted form of events", &Redact}};
    for (const auto& c : kCommands) {
      CLI::App* command = Add(c.name, c.help, [this, run = c.command] {
        return RunEventCommand(o_, run);
      });
      AddInput(command, &o_);
      AddVersion(command, &o_)->required();
    }
  }

  void AddSignatureCommands() {
    CLI::App* sign =
        Add("sign", "Sign objects; with a room version, hash and sign events",
            [this] { return Print(DoSign(o_)); });
    sign->add_option("--key", o_.key_file,
                     "file with \"ed25519 VERSION BASE64SEED\"")
        ->required();
    CLI::App* verify =
        Add("verify",
            "Check signatures; with a room version, those and hashes of events",
            [this] { return RunVerify(o_); });
    verify->add_option("--key-id", o_.key_id, "such as ed25519:1")->required();
    verify->add_option("--public-key", o_.public_key, "base64")->required();
    for (CLI::App* command : {sign, verify}) {
      AddInput(command, &o_);
      AddVersion(command, &o_);
      command->add_option("--entity", o_.entity, "server or user who signs")
          ->required();
    }
  }

  void AddRoomCommands() {
    CLI::App* auth =
        Add("auth-check", "Judge events by the authorisation rules",
            [this] { return Print(DoAuthCheck(o_)); });
    AddVersion(auth, &o_);
    auth->add_option(
        "--vectors", o_.vectors,
        "file of {\"id\",\"room_version\",\"event\",\"auth_state\"}");
    auth->add_option("--events", o_.events,
                     "PDUs, each judged by its own auth events");
    auth->add_option("--event", o_.event, "PDUs to judge by --state");
    auth->add_option("--state", o_.state, "PDUs of the room's state");

    AddResolution("resolve",
                  "Resolve states; print [type, state_key, event_id]",
                  &Resolve);
    AddResolution("explain", "Resolve states and say who won and why",
                  &Explain);

    CLI::App* dag =
        Add("dag", "Draw the room's event graph, coloured by state outcome",
            [this] {
              return RunRoomCommand(o_, [this](const RoomInput& input) {
                return Dag(input, {o_.format == "svg", o_.auth});
              });
            });
    AddRoomOptions(dag);
    dag->add_option("--format", o_.format, "dot (Graphviz) or svg")
        ->check(CLI::IsMember({"dot", "svg"}));
    dag->add_flag("--auth", o_.auth, "draw auth events too");
    dag->add_option("-o,--output", o_.output, "file to write");
  }

  void AddResolution(const char* name, const char* help,
                     Result<std::string> (*run)(const RoomInput&)) {
    CLI::App* command =
        Add(name, help, [this, run] { return RunRoomCommand(o_, run); });
    AddRoomOptions(command);
  }

  void AddRoomOptions(CLI::App* command) {
    AddVersion(command, &o_)
        ->description(
            "room version, 1 to 12; if left out, what --states or the create "
            "event say");
    command
        ->add_option("--events", o_.events,
                     "files of PDUs, JSON Lines or arrays, with or without "
                     "event_id; - is standard input")
        ->required();
    command->add_option(
        "--states", o_.states,
        "files of state sets: an array of them, or an object with state_sets, "
        "or one set; a set is an array of event ids, or type -> state_key -> "
        "id.  If left out, the states after the newest events");
  }

  Options o_;
  CLI::App app_;
  std::function<int()> run_;
};

}  // namespace
}  // namespace matrixcore::inspect

int main(int argc, char** argv) {
  return matrixcore::inspect::Program().Run(argc, argv);
}
