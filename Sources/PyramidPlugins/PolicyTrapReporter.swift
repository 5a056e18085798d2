// A trap inside a policy (an index out of range, a failed precondition) ends the process by a signal. This names the
// policy and its plugin before the end, and leaves every other trap to the handler before it. Everything that runs
// in the handler is async-signal-safe: reads of plain memory, write and _exit.

import Glibc
import PyramidFormats
import PyramidPolicy

/// Reports traps that happen while a policy runs.
public enum PolicyTrapReporter {
  private static let installed: Bool = {
    PolicyCallNotes.enable { pthread_self() }
    giveSignalStack()
    for signal in [SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGFPE] {
      var action = sigaction()
      action.__sigaction_handler.sa_sigaction = handleTrap
      action.sa_flags = Int32(SA_SIGINFO | SA_ONSTACK)
      sigemptyset(&action.sa_mask)
      sigaction(signal, &action, previousActions + Int(signal))
    }
    atexit(handleExit)
    return true
  }()

  /// Installs handlers of SIGILL, SIGTRAP, SIGSEGV, SIGBUS and SIGFPE; a second call does nothing. Call it before
  /// threads that run policies start. Nothing in the library calls it, as signals belong to the program.
  ///
  /// A report is one line, "policy @name of plugin FILE trapped (SIGILL) in shouldExit", and exit status 1. So it is when
  /// a policy, or a library that is being loaded, calls `exit`, whatever status it asks for. A stack overflow is reported
  /// on the calling thread only, as other threads have no stack for handlers.
  public static func install() { _ = installed }

  /// A policy that recurses without end leaves no stack to report it on.
  private static func giveSignalStack() {
    var current = stack_t()
    guard sigaltstack(nil, &current) == 0, current.ss_flags & Int32(SS_DISABLE) != 0 else { return }
    let size = 1 << 16
    var stack = stack_t(ss_sp: .allocate(byteCount: size, alignment: 16), ss_flags: 0, ss_size: size)
    sigaltstack(&stack, nil)
  }
}

/// What handled each signal before, by the signal's number; made when the handlers are installed.
private nonisolated(unsafe) let previousActions = UnsafeMutablePointer<sigaction>.allocate(capacity: 64)

private func handleTrap(
  _ number: Int32, _ info: UnsafeMutablePointer<siginfo_t>?, _ context: UnsafeMutableRawPointer?
) {
  if let (label, call) = PolicyCallNotes.running() {
    put(label, strlen(UnsafeRawPointer(label).assumingMemoryBound(to: CChar.self)))
    put(" trapped (")
    put(name(of: number))
    put(") in ")
    put(call.name)
    put("\n")
    UnfinishedFiles.removeAll()
    _exit(1)
  }
  sigaction(number, previousActions + Int(number), nil)
  // A fault repeats itself when the handler returns, now under the previous action; a signal sent by a process does
  // not.
  if (info?.pointee.si_code ?? 0) <= 0 { raise(number) }
}

/// The file of the plugin whose library is being loaded, with a NUL at its end; nil for none.
nonisolated(unsafe) var loadingPlugin: UnsafeMutablePointer<CChar>?

/// Whoever calls `exit` from within a policy would end the tool as if all were answered.
private func handleExit() {
  if let (label, call) = PolicyCallNotes.running() {
    put(label, strlen(UnsafeRawPointer(label).assumingMemoryBound(to: CChar.self)))
    put(" ended the program in ")
    put(call.name)
  } else if let loadingPlugin {
    put("plugin '")
    put(UnsafeRawPointer(loadingPlugin).assumingMemoryBound(to: UInt8.self), strlen(loadingPlugin))
    put("' ended the program while it was loaded")
  } else {
    return
  }
  put("\n")
  UnfinishedFiles.removeAll()
  _exit(1)
}

private func name(of signal: Int32) -> StaticString {
  switch signal {
  case SIGILL: "SIGILL"
  case SIGTRAP: "SIGTRAP"
  case SIGSEGV: "SIGSEGV"
  case SIGBUS: "SIGBUS"
  default: "SIGFPE"
  }
}

private func put(_ text: StaticString) { put(text.utf8Start, text.utf8CodeUnitCount) }

private func put(_ start: UnsafePointer<UInt8>, _ count: Int) { _ = write(2, start, count) }
