// A machine's /proc in memory, as small as a test needs it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "source/bundle.hpp"

struct Machine {
  source::Files files{{"now.txt", "2026-11-22T10:00:00.000Z\n"}, {"proc/uptime", "1000.00 900.00\n"}, {"stats.ndjson", ""}};

  static constexpr const char *master = "0000000008314a07", *worker = "0000000008304226", *starting = "0000000000000002", *uvicorn = "0000000000304002";

  /// argv's words end in NUL as the kernel keeps them.
  void process(int pid, int ppid, const std::vector<std::string>& argv, const std::string& caught, int ns_pid = 0, char state = 'S', int exit_code = 0) {
    const std::string at = "proc/" + std::to_string(pid);
    std::string comm = argv.empty() ? "gunicorn" : argv[0].substr(argv[0].rfind('/') + 1).substr(0, 15), cmdline;
    for (const auto& word : argv) cmdline += word + '\0';
    files[at + "/stat"] = std::to_string(pid) + " (" + comm + ") " + state + " " + std::to_string(ppid) +
                          " 1 1 0 -1 4194560 1 0 0 0 5 5 0 0 20 0 1 0 " + std::to_string(50'000 + pid) + " 1000000 2500 0 0 0 0 0 0 0 0 0 " + std::to_string(std::stoull(caught, nullptr, 16) & 0x7fffffff) + " 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 " + std::to_string(exit_code) + "\n";
    files[at + "/cmdline"] = cmdline;
    files[at + "/status"] = "Name:\t" + comm + "\nUid:\t33\t33\t33\t33\nNSpid:\t" + std::to_string(pid) + (ns_pid ? "\t" + std::to_string(ns_pid) : "") + "\nVmRSS:\t   10240 kB\nThreads:\t1\nSigCgt:\t" + caught + "\n";
    files[at + "/cgroup"] = "0::/system.slice/web.service\n";
    files[at + "/cwd.link"] = "/srv/app\n";
    files[at + "/root.link"] = "/\n";
    files[at + "/exe.link"] = "/usr/bin/python3.11\n";
  }
  void open_file(int pid, int fd, const std::string& target, const std::string& flags = "0102001") {
    files["proc/" + std::to_string(pid) + "/fd/" + std::to_string(fd) + ".link"] = target + "\n";
    files["proc/" + std::to_string(pid) + "/fdinfo/" + std::to_string(fd)] = "pos:\t0\nflags:\t" + flags + "\n";
  }
  void stat(const std::string& path, std::uint64_t inode, unsigned mode, std::int64_t mtime_ns, std::int64_t ctime_ns) {
    files["stats.ndjson"] += "{\"path\":\"" + path + "\",\"kind\":0,\"size\":0,\"inode\":" + std::to_string(inode) + ",\"device\":5,\"mode\":" + std::to_string(0100000 | mode) + ",\"mtime_ns\":" + std::to_string(mtime_ns) +
                             ",\"ctime_ns\":" + std::to_string(ctime_ns) + "}\n";
  }
  std::unique_ptr<source::Host> host() const { return source::bundle_host(files); }
};

inline const std::vector<std::string> script{"/usr/bin/python3", "/usr/bin/gunicorn", "-w", "2", "--timeout=20", "app:app"};
