#include "probe/python/walk.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "probe/python/line_table.hpp"
#include "probe/stack_records.hpp"

namespace probe {

namespace {

constexpr std::size_t most_interpreters = 64, most_counted = 20'000, most_reads = 200'000, most_bytes = 64 << 20;
constexpr std::size_t most_characters = 4096, most_table = 1 << 20;
constexpr std::uint32_t tstate_interp = 16;      // in every version from 3.8 to 3.15: what shows that it is a thread's state
constexpr std::uint64_t most_code = 1 << 26;

struct Code {
  bool whole = false;
  std::string file, function, table;
  int first = 0;
};

class Walk {
 public:
  Walk(const Memory& memory, const Interpreter& python) : memory_(memory), python_(python), at_(python.layout) {}

  PythonThreads all() {
    PythonThreads found;
    std::uint64_t interpreter = 0;
    if (!word(python_.runtime + at_.interpreters, interpreter) || interpreter == 0) {
      found.doubt = "its interpreter is not there: it is not begun, or ended";
      return found;
    }
    std::set<std::uint64_t> seen;
    while (interpreter != 0 && found.doubt.empty()) {
      if (seen.size() >= most_interpreters || !seen.insert(interpreter).second) {
        found.doubt = "its list of interpreters has no end";
        break;
      }
      threads_of(interpreter, found);
      if (!word(interpreter + at_.interp_next, interpreter)) found.doubt = "its list of interpreters could not be read to its end";
    }
    if (memory_.over()) found.doubt = "the time for reading it was over";
    else if (spent()) found.doubt = "there is more than is read at once";
    return found;
  }

 private:
  bool spent() const { return reads_ >= most_reads || bytes_ >= most_bytes; }

  bool bytes(std::uint64_t address, void* into, std::size_t size) {
    if (spent() || address > UINT64_MAX - size) return false;
    ++reads_;
    bytes_ += size;
    return memory_.read(address, into, size);
  }
  bool word(std::uint64_t address, std::uint64_t& value) { return bytes(address, &value, sizeof value); }

  void threads_of(std::uint64_t interpreter, PythonThreads& found) {
    const std::uint64_t holder = lock_holder(interpreter);
    std::uint64_t state = 0, owner = 0;
    if (!word(interpreter + at_.interp_threads, state)) {
      found.doubt = "its list of threads could not be read";
      return;
    }
    std::set<std::uint64_t> seen;
    while (state != 0) {
      if (found.threads.size() >= most_python_threads || !seen.insert(state).second) {
        found.doubt = "its list of threads is longer than is read";
        return;
      }
      PythonThread thread;
      // A thread that ends meanwhile takes its state along.
      if (!word(state + tstate_interp, owner) || owner != interpreter || !word(state + at_.tstate_thread, thread.thread)) {
        found.doubt = "its list of threads could not be read to its end";
        return;
      }
      thread.gil = holder == state;
      frames_of(state, thread);
      found.threads.push_back(std::move(thread));
      if (!word(state + at_.tstate_next, state)) {
        found.doubt = "its list of threads could not be read to its end";
        return;
      }
    }
  }

  // The thread state that holds the lock; 0 when nobody does.
  std::uint64_t lock_holder(std::uint64_t interpreter) {
    std::uint64_t lock = python_.runtime, holder = 0;
    std::int32_t locked = 0;
    if (at_.runtime_gil != PythonLayout::none) lock += at_.runtime_gil;
    else if (!word(interpreter + at_.interp_gil, lock) || lock == 0) return 0;
    if (!bytes(lock + at_.gil_locked, &locked, sizeof locked) || locked != 1 || !word(lock + at_.gil_holder, holder)) return 0;
    return holder;
  }

  void frames_of(std::uint64_t state, PythonThread& thread) {
    std::uint64_t frame = 0;
    if (!word(state + at_.tstate_frame, frame) || (at_.cframe_frame != PythonLayout::none && frame != 0 && !word(frame + at_.cframe_frame, frame))) {
      thread.doubt = "its frames could not be read";
      return;
    }
    for (std::size_t count = 0; frame != 0; ++count) {
      if (count >= most_counted) {
        thread.doubt = "its frames have no end";
        return;
      }
      const std::uint64_t here = frame;
      std::uint8_t owner = 0;
      if (!word(here + at_.frame_previous, frame) || (at_.frame_owner != PythonLayout::none && !bytes(here + at_.frame_owner, &owner, sizeof owner))) {
        thread.doubt = memory_.over() ? "outwards of these it was not read: the time was over" : "outwards of these, memory was not there to be read";
        return;
      }
      if (at_.frame_owner != PythonLayout::none && owner >= at_.shim_owner) continue;
      if (thread.frames.size() < most_python_frames) thread.frames.push_back(frame_at(here, thread));
      else ++thread.beyond;
    }
  }

  evidence::StackFrame frame_at(std::uint64_t frame, PythonThread& thread) {
    std::uint64_t address = 0, pointer = 0;
    std::int32_t instr = 0;
    bool sane = word(frame + at_.frame_code, address);
    address &= ~std::uint64_t{3};                // 3.14: a tagged reference
    if (at_.instr_is_pointer) {
      sane = sane && word(frame + at_.frame_instr, pointer);
      const std::uint64_t begin = address + at_.code_code;
      sane = sane && pointer + 2 >= begin && pointer - begin + 2 < most_code;
      if (sane) instr = static_cast<std::int32_t>(static_cast<std::int64_t>(pointer - begin));
    } else {
      sane = sane && bytes(frame + at_.frame_instr, &instr, sizeof instr) && instr >= -1 && instr < static_cast<std::int32_t>(most_code / 2);
      if (at_.minor == 10 && instr > 0) instr *= 2;  // counted in code units there
    }
    const Code* const code = sane ? code_at(address) : nullptr;
    if (!code || !code->whole) {
      thread.doubt = "a frame could not be read";
      return {code ? code->function : std::string(), code ? code->file : std::string(), 0};
    }
    const auto line = line_at(at_.minor, code->table, code->first, instr);
    if (!line) thread.doubt = "a line could not be told";
    return {code->function, code->file, line.value_or(0)};
  }

  const Code* code_at(std::uint64_t address) {
    if (const auto known = codes_.find(address); known != codes_.end()) return &known->second;
    Code& code = codes_[address];
    std::uint64_t file = 0, function = 0, table = 0, size = 0;
    std::int32_t first = 0;
    if (!word(address + at_.code_file, file) || !word(address + at_.code_name, function) || !word(address + at_.code_table, table) || !bytes(address + at_.code_first, &first, sizeof first)) return &code;
    code.first = std::max(first, 0);
    const bool named = text_at(file, code.file) && text_at(function, code.function);
    if (!named || !word(table + at_.bytes_size, size) || size > most_table) return &code;
    code.table.resize(size);
    code.whole = size == 0 || bytes(table + at_.bytes_value, code.table.data(), size);
    return &code;
  }

  bool text_at(std::uint64_t text, std::string& into) {
    std::uint64_t length = 0;
    std::uint32_t state = 0;
    if (text == 0 || !word(text + at_.text_length, length) || !bytes(text + at_.text_state, &state, sizeof state)) return false;
    const bool ascii = (state & 64) != 0, compact = (state & 32) != 0;
    const std::size_t kind = state >> 2 & 7;
    if (!compact || length > most_characters || (kind != 1 && kind != 2 && kind != 4) || (ascii && kind != 1)) return false;
    std::string raw(length * kind, '\0');
    if (!raw.empty() && !bytes(text + (ascii ? at_.text_ascii : at_.text_compact), raw.data(), raw.size())) return false;
    into = text_of_python(raw, ascii ? 0 : static_cast<unsigned>(kind));
    return true;
  }

  const Memory& memory_;
  const Interpreter& python_;
  const PythonLayout& at_;
  std::map<std::uint64_t, Code> codes_;
  std::size_t reads_ = 0, bytes_ = 0;
};

}  // namespace

PythonThreads read_python(const Memory& memory, const Interpreter& python) { return Walk(memory, python).all(); }

}  // namespace probe
