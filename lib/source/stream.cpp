#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "source/host.hpp"

namespace source {

namespace {

constexpr std::size_t piece = 1 << 16;

class Memory : public Stream {
 public:
  explicit Memory(std::string bytes) : bytes_(std::move(bytes)) {}
  base::Result<std::size_t> read(char* into, std::size_t size) override {
    const std::size_t count = std::min(size, bytes_.size() - at_);
    std::memcpy(into, bytes_.data() + at_, count);
    at_ += count;
    return count;
  }

 private:
  std::string bytes_;
  std::size_t at_ = 0;
};

base::Error damaged(const char* what, std::string answer) {
  return {base::Kind::malformed, std::string("decompressing ") + what, std::move(answer), "the bytes before the damage were read; give an undamaged copy for the rest", 0};
}

class Gzip : public Stream {
 public:
  Gzip(std::unique_ptr<Stream> raw, std::string head) : raw_(std::move(raw)), in_(std::move(head)) {
    // 15 window bits + 16: gzip framing only.
    if (inflateInit2(&state_, 15 + 16) == Z_OK) ready_ = true;
    set_input();
  }
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;
  ~Gzip() override { if (ready_) inflateEnd(&state_); }

  base::Result<std::size_t> read(char* into, std::size_t size) override {
    if (!ready_) return base::fail(damaged("gzip", "zlib could not start"));
    if (done_ || size == 0) return 0;
    state_.next_out = reinterpret_cast<Bytef*>(into);
    state_.avail_out = static_cast<uInt>(std::min<std::size_t>(size, 1u << 30));
    while (state_.avail_out > 0) {
      if (state_.avail_in == 0) {
        in_.resize(piece);
        TRY(count, raw_->read(in_.data(), in_.size()));
        in_.resize(count);
        set_input();
        if (count == 0) {
          const std::size_t made = static_cast<std::size_t>(state_.next_out - reinterpret_cast<Bytef*>(into));
          if (made > 0) return made;
          done_ = true;
          if (at_member_start_) return 0;
          return base::fail(damaged("gzip", "the file ends in the middle of the stream"));
        }
      }
      at_member_start_ = false;
      const int answer = inflate(&state_, Z_NO_FLUSH);
      if (answer == Z_STREAM_END) {
        // logrotate and pigz may append members; anything that is no further member is padding and ends the stream.
        at_member_start_ = true;
        Bytef* const next = state_.next_in;
        const uInt left = state_.avail_in;
        inflateReset(&state_);
        state_.next_in = next;
        state_.avail_in = left;
        if (left > 0 && *next != 0x1f) { done_ = true; break; }
      } else if (answer != Z_OK && answer != Z_BUF_ERROR) {
        const std::size_t made = static_cast<std::size_t>(state_.next_out - reinterpret_cast<Bytef*>(into));
        if (made > 0 && !failed_) { failed_ = true; return made; }
        done_ = true;
        return base::fail(damaged("gzip", state_.msg ? state_.msg : "damaged"));
      }
    }
    return static_cast<std::size_t>(state_.next_out - reinterpret_cast<Bytef*>(into));
  }

 private:
  void set_input() {
    state_.next_in = reinterpret_cast<Bytef*>(in_.data());
    state_.avail_in = static_cast<uInt>(in_.size());
  }
  std::unique_ptr<Stream> raw_;
  std::string in_;
  z_stream state_{};
  bool ready_ = false, done_ = false, failed_ = false, at_member_start_ = true;
};

class Zstd : public Stream {
 public:
  Zstd(std::unique_ptr<Stream> raw, std::string head) : raw_(std::move(raw)), in_(std::move(head)), state_(ZSTD_createDStream()) {
    // 2^27 = 128 MiB windows would break the memory promise; what `zstd -19` makes fits in 8 MiB, --long needs more and is refused.
    if (state_) ZSTD_DCtx_setParameter(state_, ZSTD_d_windowLogMax, 24);
  }
  Zstd(const Zstd&) = delete;
  Zstd& operator=(const Zstd&) = delete;
  ~Zstd() override { ZSTD_freeDStream(state_); }

  base::Result<std::size_t> read(char* into, std::size_t size) override {
    if (!state_) return base::fail(damaged("zstd", "out of memory"));
    if (done_ || size == 0) return 0;
    ZSTD_outBuffer out{into, size, 0};
    while (out.pos == 0) {
      if (used_ == in_.size()) {
        in_.resize(piece);
        TRY(count, raw_->read(in_.data(), in_.size()));
        in_.resize(count);
        used_ = 0;
        if (count == 0) {
          done_ = true;
          if (frame_open_) return base::fail(damaged("zstd", "the file ends in the middle of the stream"));
          return 0;
        }
      }
      ZSTD_inBuffer in{in_.data(), in_.size(), used_};
      const std::size_t answer = ZSTD_decompressStream(state_, &out, &in);
      used_ = in.pos;
      if (ZSTD_isError(answer)) {
        done_ = true;
        return base::fail(damaged("zstd", ZSTD_getErrorName(answer)));
      }
      frame_open_ = answer != 0;
    }
    return out.pos;
  }

 private:
  std::unique_ptr<Stream> raw_;
  std::string in_;
  std::size_t used_ = 0;
  ZSTD_DStream* state_;
  bool done_ = false, frame_open_ = false;
};

class Prefixed : public Stream {
 public:
  Prefixed(std::unique_ptr<Stream> raw, std::string head) : raw_(std::move(raw)), head_(std::move(head)) {}
  base::Result<std::size_t> read(char* into, std::size_t size) override {
    if (used_ < head_.size()) {
      const std::size_t count = std::min(size, head_.size() - used_);
      std::memcpy(into, head_.data() + used_, count);
      used_ += count;
      return count;
    }
    return raw_->read(into, size);
  }

 private:
  std::unique_ptr<Stream> raw_;
  std::string head_;
  std::size_t used_ = 0;
};

}  // namespace

std::unique_ptr<Stream> memory_stream(std::string bytes) { return std::make_unique<Memory>(std::move(bytes)); }

std::unique_ptr<Stream> decompressed(std::unique_ptr<Stream> raw) {
  std::string head(4, '\0');
  std::size_t have = 0;
  while (have < head.size()) {
    const auto count = raw->read(head.data() + have, head.size() - have);
    if (!count || *count == 0) break;
    have += *count;
  }
  head.resize(have);
  if (head.size() >= 2 && head[0] == '\x1f' && head[1] == '\x8b') return std::make_unique<Gzip>(std::move(raw), std::move(head));
  if (head == std::string_view("\x28\xb5\x2f\xfd", 4)) return std::make_unique<Zstd>(std::move(raw), std::move(head));
  return std::make_unique<Prefixed>(std::move(raw), std::move(head));
}

base::Result<std::string> slurp(Stream& stream, std::size_t most) {
  std::string bytes;
  while (bytes.size() < most) {
    const std::size_t had = bytes.size();
    bytes.resize(std::min(most, had + piece));
    const auto count = stream.read(bytes.data() + had, bytes.size() - had);
    bytes.resize(had + (count ? *count : 0));
    if (!count) return base::fail(count.error());
    if (*count == 0) break;
  }
  return bytes;
}

}  // namespace source
