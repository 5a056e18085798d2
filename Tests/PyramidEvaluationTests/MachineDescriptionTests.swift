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

  @Test("This machine has a name, and what is told of it")
  func current() {
    let machine = MachineDescription.current(cores: 2, threads: 3, instructionSet: "avx2")
    #expect(!machine.cpu.isEmpty)
    #expect(machine.cores == 2 && machine.threads == 3 && machine.instructionSet == "avx2")
  }
}
