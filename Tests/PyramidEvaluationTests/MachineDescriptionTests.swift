// Facts about the machine, read from text files of the kernel's form.

import Glibc
import PyramidFormats
import Testing

@testable import PyramidEvaluation

@Suite("Descriptions of machines")
struct MachineDescriptionTests {
  @Test("The first value of a key is found whatever stands around it")
  func values() throws {
    let text = "processor\t: 0\nmodel name\t: A CPU: with 2 GHz \nmodel name\t: another\nempty:\nno colon\n"
    let path = "/tmp/mp-evaluation-\(getpid())-\(UInt64.random(in: .min ... .max)).txt"
    try OutputFile.write(text, to: path)
    defer { unlink(path) }
    #expect(MachineDescription.value(of: "model name", in: path) == "A CPU: with 2 GHz")
    #expect(MachineDescription.value(of: "empty", in: path) == nil)
    #expect(MachineDescription.value(of: "missing", in: path) == nil)
    #expect(MachineDescription.value(of: "model name", in: "/no/such/file") == nil)
  }

  @Test(
    "Lists of CPUs are counted",
    arguments: [
      ("0", 1 as Int?), ("0-3", 4), ("0-1,8,10-11", 5), ("", nil), ("x", nil), ("3-1", nil), ("1-2-3", nil),
    ])
  func lists(list: String, count: Int?) {
    #expect(MachineDescription.count(ofList: list) == count)
  }

  @Test("This machine has a core at least")
  func current() {
    let machine = MachineDescription.current(threads: 3, instructionSet: "avx2")
    #expect(machine.cores >= 1)
    #expect(!machine.cpu.isEmpty)
    #expect(machine.threads == 3 && machine.instructionSet == "avx2")
  }
}
