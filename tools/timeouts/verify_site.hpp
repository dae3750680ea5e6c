// One configuration of the proof: files as a user would write them, the real servers that read them, requests against them, and what the model
// says of the same files.
#pragma once

#include <mutex>
#include <optional>

#include "model/chain.hpp"
#include "verify_run.hpp"

namespace timeouts {

/// A gunicorn to run: installed, or unpacked in a folder.
struct Gunicorn { std::string folder, version; bool gevent = false; std::string uvicorn; };  // folder: several with ":" between; uvicorn: its version, "" none
struct Tools { std::string nginx, nginx_version, python, uwsgi, php, puma, unicorn; std::vector<Gunicorn> gunicorns; };
Tools tools_here(const std::vector<std::string>& gunicorn_folders);

/// What is sent, and which arithmetic it is held against.
struct Try {
  enum class Kind : std::uint8_t { wait, stream, upload, burst, stop, reload, race } kind = Kind::wait;
  std::string method = "GET";
  double work = 0;
  bool uninterruptible = false, blocks = false;
  double gap = 0;                        // stream, upload: between pieces
  int pieces = 1;                        // of those; burst: requests at once
  bool with_length = false;              // stream: Content-Length
};

struct Plan {
  std::string name;
  std::string server = "gunicorn";       // gunicorn uwsgi php-fpm puma unicorn
  std::size_t gunicorn = 0;              // index into Tools::gunicorns
  std::string worker_class = "sync";
  int timeout = 30, graceful = 30, workers = 0, backlog = 0, kill_after = 0;  // workers 0: one for each request; kill_after 0: nobody kills
  std::string signal = "TERM";           // of a stop
  bool kill_main = false;                // KillMode=process: the SIGKILL after kill_after is for the main process alone
  std::string reload = "HUP";            // the signal of a reload
  std::vector<std::string> nginx;        // in the location, PREFIX_ where the protocol's name stands
  int peers = 1;
  int keepalive = 0;                     // gunicorn's, with a long way in between (Link): for races; 0: nothing is kept
  std::vector<std::string> upstream;     // lines in the upstream block
  std::vector<Try> tries;
  std::vector<std::string> around;       // methods whose breakpoints the model is asked for
  double longest = 6;                    // durations above are left out
};

struct Checked {
  std::string name, said, saw;
  bool fits = false, by_noise = false;   // by_noise: only with the measured noise of the machine
  double noise = 0;
  std::string skipped;
};

std::vector<Checked> run_site(const Plan& plan, const Tools& tools, const std::string& folder);

}  // namespace timeouts
