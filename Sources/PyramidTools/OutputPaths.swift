// That no output of a tool is one of its inputs, or another output: both would be lost without a word.

import ArgumentParser
import Glibc

/// Throws `ValidationError` when two of `outputs` are one file, or when one would replace one of `inputs`, or a file in an
/// input that is a folder, however they are spelled. `-` is no file.
public func checkOutputs(_ outputs: [String?], inputs: [String?]) throws {
  var seen: [String: String] = [:]
  let inputs = inputs.compactMap(\.self).filter { $0 != "-" }
  for path in inputs { seen[identity(path)] = path }
  for path in outputs.compactMap(\.self) {
    let own = identity(path)
    if let folder = inputs.first(where: { own.hasPrefix(identity($0) + "/") }), access(path, F_OK) == 0 {
      throw ValidationError("\(path): is a file of \(folder), which is read; choose another name")
    }
    if let other = seen.updateValue(path, forKey: own) {
      throw ValidationError("\(path): is the same file as \(other); choose another name")
    }
  }
}

/// One spelling of a path, whether there is a file or not.
private func identity(_ path: String) -> String {
  func real(_ path: String) -> String? {
    guard let found = realpath(path, nil) else { return nil }
    defer { free(found) }
    return String(cString: found)
  }
  if let known = real(path) { return known }
  let parts = path.split(separator: "/", omittingEmptySubsequences: false)
  let folder = parts.count > 1 ? parts.dropLast().joined(separator: "/") + "/" : "."
  return (real(folder) ?? folder) + "/" + (parts.last ?? "")
}
