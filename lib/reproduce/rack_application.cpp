#include "reproduce/server_kind.hpp"

namespace reproduce {

// The same paths and faults as the Python application, as far as Ruby can. "spin" is one call of C that never leaves the interpreter's lock.
const char* const rack_application = R"(require 'fiddle'
require 'openssl'
require 'socket'

FAULTS = ENV['TRIAGE_FAULTS'].to_s.lines(chomp: true).reject(&:empty?).map do |line|
  first, *rest = line.split(',')
  name, value = first.split('=', 2)
  more = rest.to_h { |word| word.split('=', 2) }
  { name: name, value: value, path: more['path'].to_s, every: (more['every'] || 1).to_i, seen: 0 }
end
KEPT = []

def value_of(name, otherwise)
  fault = FAULTS.find { |one| one[:name] == name }
  fault && (fault[:value] || otherwise).to_f
end

sleep value_of('slow_boot', 5) if value_of('slow_boot', 5)
raise LoadError, 'this application cannot be loaded' if value_of('boot_halt', 3)
if value_of('boot_loop', 1)
  Fiddle::Pointer.new(8)[0] if value_of('boot_loop', 1) == 11
  exit! value_of('boot_loop', 1).to_i
end

# A database that answers what it was asked, and a connection to it that is opened while this file is loaded: whoever is forked from here has it too.
if value_of('shared_upstream', 1)
  database = IO.popen(['/bin/sh', '-c', 'ruby -rsocket -e "$0" &', <<~'PROGRAM'])
    listener = TCPServer.new('127.0.0.1', 0)
    $stdout.puts(listener.addr[1])
    $stdout.flush
    peer = listener.accept
    loop { peer.write(peer.readpartial(4096)) }
  PROGRAM
  UPSTREAM = TCPSocket.new('127.0.0.1', database.gets.to_i)
  Process.wait(database.pid)   # the shell; the database itself is nobody's child
  KEPT << database
end

def ask(count)
  own = Process.pid.to_s.rjust(16)
  count.times.count { UPSTREAM.write(own) && UPSTREAM.read(16) != own }
end

def suffer(path)
  FAULTS.each do |fault|
    next unless path.start_with?(fault[:path])
    fault[:seen] += 1
    next unless (fault[:seen] % fault[:every]).zero?
    value = fault[:value]
    case fault[:name]
    when 'hang' then sleep((value || 3600).to_f)
    when 'spin' then OpenSSL::KDF.pbkdf2_hmac('secret', salt: 'salt', iterations: 2_000_000_000, length: 64, hash: 'SHA512')
    when 'leak' then KEPT << 'x' * (value || 1 << 20).to_i
    when 'eat' then loop { KEPT << 'x' * (4 << 20) }
    when 'eat_in_child' then Process.wait(fork { loop { KEPT << 'x' * (4 << 20) } })
    when 'fd_leak' then (value || 1).to_i.times { KEPT << File.open('/dev/null') }
    when 'segfault' then Fiddle::Pointer.new(8)[0]
    end
  end
end

run(lambda do |env|
  path = env['PATH_INFO']
  query = env['QUERY_STRING'].to_s.split('&').to_h { |pair| (pair.split('=', 2) + [''])[0, 2] }
  File.open('requests.log', 'a') { |out| out.write("#{Process.pid} #{env['REQUEST_METHOD']} #{path}\n") }
  suffer(path)
  status, body = 200, "Hello, world!\n"
  if path.start_with?('/sleep') then sleep((query['s'] || 1).to_f)
  elsif path.start_with?('/exit') then exit!((query['code'] || 7).to_i)
  elsif path.start_with?('/status') then status, body = (query['code'] || 204).to_i, ''
  elsif path.start_with?('/upstream') then body = "others=#{ask((query['n'] || 1).to_i)} \n"
  elsif path.start_with?('/pid') then body = Process.pid.to_s
  elsif path.start_with?('/echo') then body = env['rack.input'].read
  end
  headers = { 'Content-Type' => 'text/plain', 'Content-Length' => body.bytesize.to_s }
  headers = {} if status == 204
  [status, headers, [body]]
end)
)";

}  // namespace reproduce
