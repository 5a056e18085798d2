// A model of several tasks behind a port: which are asked, what comes back of each by every protocol, and what is refused.

import MagicPyramid
import PyramidServing
import PyramidTestSupport
import Testing

@Suite struct `A served model of several tasks` {
  private static let served = Result {
    try ServedFixture(of: ServedFixture.severalTasks, exit: "entropy(threshold=0.4)")
  }
  private let texts = (5..<40).map { (first: "w\($0) w\(5 + $0 * 7 % 35) w\(5 + $0 * 3 % 35)", second: "") }

  @Test func `answers all of them, or those that are asked, and a text leaves once those are sure`() async throws {
    let model = try Self.served.get().model
    var request = ServingRequest(texts: texts)
    let all = try await model.answer(request).answers
    #expect(all.allSatisfy { $0.tasks.map(\.name) == ["main", "topic"] })
    #expect(all.map(\.answer.exitLayer) == all.map { max($0.tasks[0].exitLayer, $0.tasks[1].exitLayer) })
    #expect(all.contains { $0.tasks[0].exitLayer != $0.tasks[1].exitLayer })
    for (number, name) in ["main", "topic"].enumerated() {
      request.tasks = [name]
      let own = try await model.answer(request).answers
      #expect(own.allSatisfy { $0.tasks.map(\.name) == [name] })
      #expect(own.map(\.answer.exitLayer) == all.map { $0.tasks[number].exitLayer })
      #expect(own.map { $0.tasks[0].label } == all.map { $0.tasks[number].label })
    }
    request.tasks = ["topic", "mood"]
    await refused(request, by: model, "no task \"mood\"; its tasks are main, topic")
    request.tasks = ["main"]
    await refused(request, by: try ServedFixture().model, "answers one task")
  }

  @Test func `names its outputs by the task, in metadata, requests and replies`() async throws {
    let model = try Self.served.get().model
    let ofTask = ["label", "score", "probabilities", "logits", "exit_layer"]
    let outputs =
      ["main", "topic"].flatMap { task in ofTask.map { "\(task).\($0)" } } + ["exit_layer", "truncated", "limited_by"]
    let text = #"{"inputs":[{"name":"text","datatype":"BYTES","shape":[2],"data":["w7 w9","w8"]}]"#
    func asked(_ rest: String = "") throws -> OpenInferenceRequest {
      try OpenInferenceRequest(body: Array("\(text)\(rest)}".utf8), jsonLength: nil, tasks: model.classifier.tasks)
    }
    func names(_ field: JSONField) throws -> [String] {
      try field.required("outputs").elements().map { try $0.required("name").string() }
    }
    #expect(try names(JSONField(model.metadata(versions: [1]), file: "reply")) == outputs)
    let all = try asked()
    let result = try await model.answer(all.request)
    let body = OpenInferenceReply(result, to: all, from: model).body
    let reply = JSONField(try JSONReader.read(body, file: "reply"), file: "reply")
    #expect(try names(reply) == outputs)
    let tensors = try reply.required("outputs").elements()
    let shapes = try tensors.map { try $0.required("shape").elements().map { try $0.integer(in: 0...9) } }
    #expect(shapes == [[2], [2], [2, 2], [2, 2], [2], [2], [2], [2, 5], [2, 5], [2], [2], [2], [2]])
    let labels = try tensors[5].required("data").elements().map { try $0.string() }
    #expect(labels == result.answers.map { $0.tasks[1].label })
    let logits = try tensors[8].required("data").elements().map { try Float($0.double()) }
    #expect(logits == result.answers.flatMap { $0.tasks[1].logits })
    let layers = try tensors[10].required("data").elements().map { try $0.integer(in: 0...9) }
    #expect(layers == result.answers.map(\.answer.exitLayer))

    let some = try asked(#","parameters":{"tasks":"topic"}"#)
    #expect(some.request.tasks == ["topic"] && some.outputs.map(\.output.name) == Array(outputs[5...]))
    let few = try asked(#","parameters":{"tasks":"topic"},"outputs":[{"name":"truncated"},{"name":"topic.score"}]"#)
    #expect(few.outputs.map(\.output.name) == ["truncated", "topic.score"])
    let calls = try OpenInferenceRequest(
      id: nil, tensors: [("text", "BYTES", [1], ["x"])], parameters: [("tasks", "topic,main")],
      outputs: ["main.label"], tasks: model.classifier.tasks)
    #expect(calls.request.tasks == ["topic", "main"] && calls.outputs.map(\.output.name) == ["main.label"])
    for (rest, part) in [
      (#","outputs":[{"name":"label"}]"#, "no output \"label\": main.label"),
      (#","parameters":{"tasks":"topic"},"outputs":[{"name":"main.label"}]"#, "no output \"main.label\": topic.label"),
      (#","outputs":[{"name":"main.label"},{"name":"main.label"}]"#, "asked for twice"),
      (#","outputs":[{"name":"main.truncated"}]"#, "no output"), (#","parameters":{"tasks":7}"#, "parameters.tasks"),
    ] {
      let error = #expect(throws: ServingError.self) { try asked(rest) }
      #expect(error?.kind == .invalid && error?.description.contains(part) == true, "\(error?.description ?? "")")
    }
    // A task that does not exist is the model's to refuse, with those that do.
    await refused(try asked(#","parameters":{"tasks":"mood"}"#).request, by: model, "its tasks are main, topic")
  }

  @Test func `gives one of its tasks where a reply has room for one`() async throws {
    let model = try Self.served.get().model
    for json in [#"{"inputs":"w7"}"#, #"{"inputs":"w7","tasks":"main,topic"}"#] {
      let error = #expect(throws: ServingError.self) {
        try PredictRequest(body: Array(json.utf8)).check(model.classifier)
      }
      #expect(error?.kind == .invalid && error?.description.contains("of main, topic") == true)
    }
    let one = try PredictRequest(body: Array(#"{"inputs":[["w7 w9"],["w8"]],"tasks":"topic"}"#.utf8))
    try one.check(model.classifier)
    let result = try await model.answer(one.request)
    let lists = try JSONField(one.reply(result, by: model.classifier), file: "reply").elements()
    #expect(lists.count == 2)
    for (list, answer) in zip(lists, result.answers) {
      let entries = try list.elements()
      #expect(entries.count == 5)
      #expect(try entries[0].required("label").string() == answer.tasks[0].label)
      #expect(try Float(entries[0].required("score").double()) == answer.tasks[0].score)
    }
    #expect(throws: ServingError.self) {
      try RerankRequest(body: Array(#"{"query":"w7","texts":["w8"]}"#.utf8)).check(model.classifier)
    }
    let type = try JSONField(model.info, file: "reply").required("model_type").required("classifier")
    #expect(try type.required("tasks").required("topic").required("id2label").members().count == 5)
  }

  @Test func `is compared with its whole self by the labels of all tasks`() async throws {
    let request = ServingRequest(texts: texts)
    let whole = try ServedFixture(of: ServedFixture.severalTasks, exit: "never-exit").model
    let fixture = try ServedFixture(of: ServedFixture.severalTasks, exit: "entropy(threshold=0.9)") { $0.shadow = 1 }
    let (dense, answers) = (try await whole.answer(request).answers, try await fixture.model.answer(request).answers)
    let agreeing = zip(answers, dense).count { $0.tasks.map(\.label) == $1.tasks.map(\.label) }
    #expect(agreeing < 35)
    let counted = "mp_shadow_texts_total{model=\"model\",version=\"1\"} 35\n"
    while !fixture.metrics.text.contains(counted) { await Task.yield() }
    let line = fixture.metrics.text.split(separator: "\n").first { $0.hasPrefix("mp_shadow_agreement{") }
    let shown = try #require(line?.split(separator: " ").last)
    #expect(Double(shown) == Double(agreeing) / 35)
  }

  @Test func `is refused with adaptive exits, since certificates are for one task`() {
    let error = #expect(throws: RuntimeError.self) {
      try ServedFixture(of: ServedFixture.severalTasks) { $0.isAdaptive = true }
    }
    #expect(error?.description.contains("several tasks (main, topic)") == true, "\(error?.description ?? "")")
  }

  @Test func `shows what each head says of each task`() async throws {
    let model = try Self.served.get().model
    let shown = JSONField(try await model.pyramid(of: ServingRequest(texts: [("w7 w9 w11", "")])), file: "reply")
    #expect(try shown.required("answer").string().hasPrefix("main: class "))
    let heads = try shown.required("heads").elements()
    #expect(heads.count == 3)
    for (task, classes) in [("main", 2), ("topic", 5)] {
      #expect(try shown.required("labels_of_scores").required(task).elements().count == classes)
      #expect(try heads.allSatisfy { try $0.required("scores").required(task).elements().count == classes })
    }
  }

  private func refused(_ request: ServingRequest, by model: ServedModel, _ part: String) async {
    let error = await #expect(throws: ServingError.self) { try await model.answer(request) }
    #expect(error?.kind == .invalid)
    #expect(error?.description.contains(part) == true, "\(error?.description ?? "")")
  }
}
