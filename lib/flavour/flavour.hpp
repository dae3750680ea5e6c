// What is known of each kind of server: how to recognise it, its settings' defaults by version, what its lines would have said. Facts here
// carry their source (server version, file:line).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace flavour {

/// A setting's default, from one version on.
struct Default { std::string_view name, value, unit, since, until; };  // since/until: "" = open; until is exclusive

/// How an end of a worker is worded at a log level, so that absence can be reasoned from.
enum class Ending : std::uint8_t { signal_kill, signal_term, signal_other, exit_zero, exit_nonzero, timeout_abort };

/// What a process of a server is, by its command line or title alone. either: a worker that is forked and keeps its master's command line, so
/// that only its parent tells; aside: a child that serves nothing (resource_tracker, an agent).
enum class Kin : std::uint8_t { none, either, master, worker, aside };

enum class OnWorkerDeath : std::uint8_t { replaced, left_dead, ends_server, unknown };

/// What workers do whose master was killed. leave: when their request is over; end: at once, or within a second; serve: they go on.
enum class OnMasterDeath : std::uint8_t { workers_leave, workers_end, workers_serve, unknown };

/// What the log says of a worker's end. nothing: at most a later boot in its place shows it.
enum class Tells : std::uint8_t { status, end, nothing };

/// What its own timeout measures. loop: that the worker still turns; ping: that its process answers, from a thread of its own.
enum class Scope : std::uint8_t { request, average, loop, ping, task, none };

/// Its own timeout. early, late: seconds by which the kill may come before or after the limit. setting: by the server's own name; signal: by which
/// the master ends the worker at last; uninterruptible: seconds more until it ends code that does not return to its interpreter (second stage).
struct Timeout { Scope scope = Scope::none; std::string_view setting; double early = 0, late = 0; int signal = 9; double uninterruptible = 0; };

/// What the requests of the moment see of a signal to the master. unknown: it differs (by version or setting), or nobody measured it.
enum class Act : std::uint8_t { graceful, at_once, reload, unknown };

/// What a signal means to the master, and what surprises.
struct Meaning { std::string_view signal; Act act; std::string_view does, pitfall; };

/// What differs by the class of its workers: the first row whose class is this one, or "", counts.
struct Kind { std::string_view worker_class; Timeout timeout; std::span<const Meaning> signals; OnMasterDeath on_master_death = OnMasterDeath::unknown; };

/// An option of the command line that takes a value ("--harakiri"), or a setting of its configuration file ("pm.max_children"; an option's name
/// without its dashes is one too), and the setting's name here.
struct Option { std::string_view text, setting, unit; };

/// What is to be done about a finding, in this server's own terms: they stand in place of the card's.
struct Advice { std::string_view rule, when, text, loses, edit; };

struct Flavour {
  std::string_view name;                                 // "gunicorn"
  /// How people call it, where that is not the name.
  std::string_view program = {};
  /// Its master, workers, command line, settings and lines are gunicorn's, whatever else it has: the reference server.
  bool like_gunicorn = false;
  /// "20.0" "20.1" "21" "22" "24" from "23.0.0"; "" when unknown.
  std::string (*family)(std::string_view version);
  /// Would this version at this log level (debug info warning error critical) have logged such an end? nullopt = a race, or not known.
  std::optional<bool> (*would_log)(std::string_view family, std::string_view log_level, Ending ending);
  /// Does a sync timeout end by the worker's own exit (false: it stays silent)? Exit code it then has.
  std::optional<int> (*timeout_exit_code)(std::string_view family);
  std::span<const Default> defaults;
  /// Is this command line one of this server's?
  bool (*recognise)(std::string_view args);
  /// Which of its processes. Null: recognise alone is asked, and the parent decides.
  Kin (*kin)(std::string_view args) = nullptr;
  /// How the kernel names its processes (comm, cut at 15), by their beginnings.
  std::span<const std::string_view> comms = {};
  Timeout timeout = {};
  /// Its own words for a worker that was given up, "it was in one request for longer than {timeout|harakiri}", and the line's, "HARAKIRI ON WORKER".
  std::string_view gave_up = {}, gave_up_line = {};
  /// Does the worker answer its request (500) before it goes for its timeout? nullopt: some versions do. Null: none does.
  std::optional<bool> (*answers_on_timeout)(std::string_view family, std::string_view worker_class) = nullptr;
  Tells tells = Tells::status;
  bool says_ready = false;                               // its log has a line for each worker that can serve
  /// What becomes of the place of a worker that died, by family. Null: it is replaced.
  OnWorkerDeath (*on_worker_death)(std::string_view family) = nullptr;
  OnMasterDeath on_master_death = OnMasterDeath::workers_leave;
  std::span<const Meaning> signals = {};
  /// How a person has it replace its workers, and open its logs anew, without cutting a request; "" where there is no such way.
  std::string_view reload = {}, reopen = {};
  double reload_late = 0;                                // seconds that the end of an old worker may come later than its limit at a reload
  std::span<const Kind> kinds = {};                      // where timeout, signals and on_master_death differ by the class of the workers
  std::span<const Option> options = {};
  /// The configuration file that it reads where none is named, in its working directory.
  std::string_view config_file = {};
  /// The configuration files that its command line or title names; and where it looks when none is named (relative to its working directory).
  std::vector<std::string> (*configs_named)(std::string_view args) = nullptr;
  std::span<const std::string_view> config_defaults = {};
  /// How many requests one worker works on at once: "1", the name of a setting here, or "" where there is no such number (a loop).
  std::string_view places = {};
  /// What its workers run: "Python" "Ruby" "PHP" "" (several, or none). Steps of a card that name tools of Python are for Python alone.
  std::string_view language = "Python";
  /// The name of its Python distribution, whose metadata tells the version.
  std::string_view distribution = {};
  /// A part of the path of its library, where nothing but that tells whose the processes are ("/_bjoern.").
  std::string_view module = {};
  std::span<const Advice> advice = {};
};

/// Master, worker, either or aside of one of the flavours that recognises it; none where none does. `known` is then that flavour.
Kin kin_of(std::string_view args, const Flavour*& known);

/// The values of a flavour's options on a command line (words separated by blanks or NUL): "--harakiri 20", "--harakiri=20". The last one counts.
struct OptionRead { std::string_view setting, value, unit; };
std::vector<OptionRead> options_of(const Flavour& flavour, std::string_view args);

/// The option of this name, with or without its dashes, "_" as "-"; null for none.
const Option* option_named(const Flavour& flavour, std::string_view name);

/// The values behind these options on a command line: "-c", "--config", "--ini"; every one, in their order.
std::vector<std::string> values_of(std::string_view args, std::span<const std::string_view> options);

/// Its timeout, signals and so on for this class of workers ("" where it is not known).
Kind kind_of(const Flavour& flavour, std::string_view worker_class);
OnWorkerDeath on_worker_death(const Flavour& flavour, std::string_view family);

/// The row of a signal ("TERM", by its name without SIG); null where nothing is known of it.
const Meaning* meaning_of(std::span<const Meaning> signals, std::string_view signal);

std::span<const Flavour* const> flavours();              // made by table(): every file in flavours/
const Flavour* flavour(std::string_view name);
/// Whether that server has such a setting, in any version that is known here.
bool knows(std::string_view name, std::string_view setting);
/// How people call the server of that name: "triage-server".
std::string_view shown(std::string_view name);
/// gunicorn, and every flavour that is like it.
bool like_gunicorn(std::string_view name);

}  // namespace flavour
