// SPDX-License-Identifier: Apache-2.0
#include "bench/cli/command_line.hpp"

#include "bench/cli/option_declarations.hpp"
#include "common/error.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <mutex>
#include <numeric>
#include <utility>

namespace convscale {
namespace {

/// Letters to add, drop or change to make `b` of `a` (Levenshtein).
std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

/// An empty value is more likely a script's unset variable than a wish; and one that looks like an
/// option shows that the value is missing.
void require_values(const CLI::App& app) {
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_expected_max() == 0 || option->count() == 0) continue;
    const auto value = option->as<std::string>();
    if (value.empty())
      reject_value(option->get_name(), "", "a value; leave the option out for none");
    if (value.size() < 2 || value[0] != '-') continue;
    if (std::isdigit(static_cast<unsigned char>(value[1])) == 0 && value[1] != '.')
      reject_value(option->get_name(), value, "a value; a file of such a name is ./" + value);
  }
}

/// Declares all options; parsing with `app` fills `line`.
void declare(CLI::App& app, CommandLine& line) {
  for (const OptionDeclaration& option : option_declarations()) {
    const std::string name = option.name();
    if (option.type.empty()) {
      app.add_flag(option.spellings, line.flags[name], option.help)->group(option.group);
      continue;
    }
    std::string& text = line.texts[name] = option.usual;
    CLI::Option* const added = app.add_option(option.spellings, text, option.help);
    added->group(option.group)->type_name(option.type);
    if (!text.empty()) added->capture_default_str();
  }
  std::string lists;
  for (const OptionDeclaration* option : list_options())
    lists += (lists.empty()                     ? ""
              : option == list_options().back() ? " and "
                                                : ", ") +
             option->name();
  app.footer(
      lists +
      " take\n"
      "comma-separated lists: a row for each combination, the last of these varying fastest.\n"
      "With cpu and cuda in one run it is also said from how many images on the GPU pays.\n"
      "Example: convscale --num_workers 8 --method full --size 1080x1920 --json run.json\n"
      "         convscale --backend cpu,cuda --method full,strided\n");
}

/// The option that was most likely meant by `typed`; empty if none is near.
std::string closest_option(const CLI::App& app, const std::string& typed) {
  std::string best;
  std::size_t least = 4;  // what differs in more letters is another word
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      const std::size_t distance = edit_distance(typed, "--" + name);
      if (distance >= least || option->get_group().empty()) continue;
      least = distance;
      best = "--" + name;
    }
  }
  return best;
}

}  // namespace

CommandLine parse_command_line(const std::vector<std::string>& args) {
  CLI::App app(
      "Measures how fast this machine convolves images, verified, against what the hardware "
      "allows.",
      "convscale");
  CommandLine line;
  // CLI11 2.4 takes an errno that another thread's first flag leaves for a fault of its own; ranks
  // may be threads.
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  declare(app, line);
  try {
    std::vector<std::string> reversed(args.rbegin(), args.rend() - 1);  // as CLI11 wants them
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    line.help = app.help();
    return line;
  } catch (const CLI::ExtrasError&) {
    const std::string typed = app.remaining().front();
    const std::string meant = closest_option(app, typed);
    throw UsageError(fmt::format("{}: no such option; {}convscale --help lists them", typed,
                                 meant.empty() ? "" : "did you mean " + meant + "? "));
  } catch (const CLI::ParseError& error) {
    std::string message = error.what();
    std::ranges::replace(message, '\n', ' ');
    throw UsageError(message + "; convscale --help lists the options");
  }
  for (const OptionDeclaration& option : option_declarations()) {
    if (app.count(option.name()) > 0) line.given.insert(option.name());
  }
  // These answer whatever stands beside them.
  const char* const answers[] = {"--list", "--version", "--dragon"};
  if (std::ranges::none_of(answers, [&](const char* answer) { return line.flag(answer); }))
    require_values(app);
  return line;
}

}  // namespace convscale
