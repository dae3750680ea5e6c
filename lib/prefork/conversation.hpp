// One connection that a thread talks on and waits for: the sync worker's and the thread pool's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "prefork/http/body.hpp"
#include "prefork/http/head.hpp"
#include "prefork/worker.hpp"

namespace prefork {

class Conversation : public Exchange {
 public:
  /// `alone`: the process talks on this one only, so that it stands for the process's progress, and SIGABRT answers for it.
  Conversation(Worker& worker, bool alone);
  void open(int fd, std::string peer, int port, bool slices);   // takes the descriptor; `slices`: its calls return once a second

  enum class After : std::uint8_t { keep, close, wait };
  /// One request and its answer. `keep`: the next one may come; `wait`: nothing was there yet (only with `patient` false).
  After serve(bool may_keep, bool patient);
  /// Something of the next request is here already.
  bool has_more() const { return used_ < size_; }
  /// Ends the connection: with unread bytes or after a refusal softly, so that the answer is not lost to a reset.
  void close();
  int fd() const { return fd_.get(); }

 private:
  enum class Got : std::uint8_t { bytes, nothing, end, late, broken };
  Got receive(double limit, double since, bool patient);
  After refuse(Refusal refusal, std::string_view what);
  bool flush();
  void answer_request();
  ssize_t read_body(char* room, std::size_t size);
  static ssize_t read(Exchange& self, char* room, std::size_t size);
  static bool begin(Exchange& self, int status, const Field* fields, std::size_t count, std::int64_t length);
  static bool write(Exchange& self, const char* bytes, std::size_t size);
  static bool stream(Exchange& self, Producer produce, void (*done)(void*), void* state);

  Worker& worker_;
  bool alone_;
  base::Fd fd_;
  std::string peer_;
  int port_ = 0;
  bool first_ = true, soft_ = false, gone_ = false, flushed_ = false, slices_ = false;
  std::unique_ptr<char[]> in_;
  std::size_t capacity_ = 0, used_ = 0, size_ = 0;
  std::string out_;
  Head head_;
  Body body_;
  Reply reply_;
  Request said_;
  DateText date_;
  bool continue_due_ = false;
  Refusal body_refusal_ = Refusal::none;
  bool body_cut_ = false, body_late_ = false;
  std::string_view pending_;   // decoded, not yet taken
};

}  // namespace prefork
