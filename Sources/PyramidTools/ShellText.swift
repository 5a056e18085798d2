// The command line as it can be typed again: a report says how to repeat it.

import PyramidFormats

/// This process's command line as text for a shell.
public enum ShellText {
  /// The tool's name without its folder, and its arguments, quoted where a shell would read something into them; with a
  /// flag in place of others.
  public static func command(with flag: String? = nil, without others: [String] = []) -> String {
    var words = CommandLine.arguments.filter { !others.contains($0) } + (flag.map { [$0] } ?? [])
    if let name = words.first?.split(separator: "/").last { words[0] = String(name) }
    return words.map(quoted).joined(separator: " ")
  }

  /// A word as a shell takes it.
  public static func quoted(_ word: String) -> String {
    let plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=,+@%".utf8
    if !word.isEmpty, word.utf8.allSatisfy(plain.contains) { return word }
    return word.shellQuoted
  }
}
