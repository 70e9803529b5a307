"""Lists, searches and filters over many repositories with cards, asked at a steady rate."""

import base64
import http.client
import json
import random
import threading
import time
from collections import defaultdict
from urllib.parse import quote

from .prepare import BenchError
from .servers import Haina

RATE = 200
WORKERS = 16
FAMILIES = ("bert distilbert roberta deberta qwen llama mistral gemma phi falcon bloom opt t5 whisper wav2vec clip vit yolo "
            "internlm baichuan chatglm yi deepseek mamba rwkv sdxl flux bge gte e5").split()
PARTS = "base large small tiny instruct chat code math vision zh en multilingual 7b 8b 13b 70b v1 v2 v3 gguf awq gptq lora merged".split()
TASKS = ("text-generation text-classification token-classification question-answering summarization translation "
         "sentence-similarity feature-extraction image-classification object-detection text-to-image "
         "automatic-speech-recognition").split()
LIBRARIES = "transformers sentence-transformers diffusers gguf peft keras timm onnx spacy".split()
LICENSES = "apache-2.0 mit cc-by-4.0 cc-by-nc-4.0 openrail llama3 gemma other".split()
LANGUAGES = "en zh fr de es ja ko ru ar hi sw pt".split()
ENGLISH = ("language model trained fine tuned dataset corpus evaluation benchmark tokens context attention layer weights inference "
           "translation speech recognition vision embedding retrieval medical legal finance education agriculture climate").split()
CHINESE = "语言 模型 训练 数据 评测 推理 医疗 法律 金融 教育 农业 检索 翻译 语音 识别 图像 生成 中文 开源 社区 微调 参数".split()


def skewed(chance, of):
    """Few of them often, most of them seldom."""
    return of[min(int(chance.paretovariate(0.9)) - 1, len(of) - 1)]


def repository(chance, number):
    name = "-".join([skewed(chance, FAMILIES), *chance.sample(PARTS, 2), f"{number:06}"])
    tags = [f"topic-{int(chance.paretovariate(0.6)) % 5000}" for _ in range(chance.randrange(1, 6))]
    body = " ".join(chance.choices(ENGLISH, k=80)) + "。\n" + "".join(chance.choices(CHINESE, k=60 if chance.random() < 0.4 else 4))
    card = (f"---\nlicense: {skewed(chance, LICENSES)}\nlanguage: [{skewed(chance, LANGUAGES)}]\npipeline_tag: {skewed(chance, TASKS)}\n"
            f"library_name: {skewed(chance, LIBRARIES)}\ntags: [{', '.join(tags)}]\n---\n# {name}\n\n{body}\n")
    return name, card


def queries(chance):
    """What people ask, without end: shape and address."""
    orders = ("trendingScore", "downloads", "likes", "lastModified", "createdAt")
    shapes = {
        "newest": lambda: "limit=30&sort=createdAt",
        "trending": lambda: "limit=30&full=true",
        "task": lambda: f"limit=30&pipeline_tag={chance.choice(TASKS)}&sort={chance.choice(orders)}",
        "two tags": lambda: f"limit=30&filter=license:{chance.choice(LICENSES)}&filter={chance.choice(LANGUAGES)}&sort={chance.choice(orders)}",
        "rare tag": lambda: f"limit=30&filter=topic-{chance.randrange(5000)}",
        "part of a name": lambda: f"limit=30&search={chance.choice(FAMILIES)[1:]}",
        "name": lambda: f"limit=30&search={chance.choice(FAMILIES)}-{chance.choice(PARTS)}&sort={chance.choice(orders)}",
        "nothing": lambda: f"limit=30&search={chance.choice(FAMILIES)}x{chance.randrange(999)}",
        "English": lambda: f"limit=30&q={quote(' '.join(chance.sample(ENGLISH, 2)))}",
        "Chinese": lambda: f"limit=30&q={quote(chance.choice(CHINESE) + chance.choice(CHINESE))}",
        "word and task": lambda: f"limit=30&q={quote(chance.choice(CHINESE))}&pipeline_tag={chance.choice(TASKS)}",
    }
    while True:
        for shape in chance.sample(list(shapes), len(shapes)):
            yield shape, "/api/models?" + shapes[shape]()


def fill(server, count, deadline):
    """Makes the repositories, eight at a time, each with its card."""
    chance, lock, failures = random.Random(7), threading.Lock(), []
    todo = iter(range(count))
    headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"}

    def work():
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        try:
            while not failures:
                with lock:
                    number = next(todo, None)
                    if number is None:
                        return
                    name, card = repository(chance, number)
                if time.monotonic() > deadline:
                    raise BenchError(f"making {count} repositories takes too long: {number} so far")
                content = base64.b64encode(card.encode()).decode()
                body = {"name": name, "type": "model", "visibility": "public",
                        "files": [{"path": "README.md", "content": content, "encoding": "base64"}]}
                connection.request("POST", "/api/repos/create", json.dumps(body), headers)
                answer = connection.getresponse()
                text = answer.read()
                if answer.status != 200:
                    raise BenchError(f"making repository {number} answered {answer.status}: {text[:200]!r}")
        except (BenchError, OSError, http.client.HTTPException) as error:
            failures.append(error)
        finally:
            connection.close()

    run_all([work] * 8)
    if failures:
        raise BenchError(str(failures[0]))


def run_all(works):
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def ask(server, seconds, seed):
    """Asks at the rate, whether answers come or not; the milliseconds from when each was due, by shape."""
    took, failures, lock = defaultdict(list), [], threading.Lock()
    asked, begin = queries(random.Random(seed)), time.monotonic() + 0.1
    due = iter(range(int(RATE * seconds)))

    def work():
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        try:
            while not failures:
                with lock:
                    number = next(due, None)
                    if number is None:
                        return
                    shape, address = next(asked)
                at = begin + number / RATE
                time.sleep(max(0.0, at - time.monotonic()))
                connection.request("GET", address)
                answer = connection.getresponse()
                body = answer.read()
                took[shape].append((time.monotonic() - at) * 1000)
                if answer.status != 200 or (shape == "newest" and len(json.loads(body)) != 30):
                    raise BenchError(f"GET {address} answered {answer.status}: {body[:200]!r}")
        except (BenchError, OSError, http.client.HTTPException) as error:
            failures.append(error)
        finally:
            connection.close()

    run_all([work] * WORKERS)
    if failures:
        raise BenchError(str(failures[0]))
    return took


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(q * len(values)))]


def facets(server, count, seed):
    """Milliseconds of questions for facets, one after the other: of all models, and of those that one or two filters leave."""
    chance, took = random.Random(seed), []
    shapes = [lambda: "", lambda: f"pipeline_tag={chance.choice(TASKS)}", lambda: f"filter=license:{chance.choice(LICENSES)}",
              lambda: f"filter={chance.choice(LANGUAGES)}&filter={chance.choice(LIBRARIES)}",
              lambda: f"filter=topic-{chance.randrange(5000)}", lambda: f"q={quote(chance.choice(CHINESE) + chance.choice(CHINESE))}"]
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    for number in range(count):
        address = f"/api/facets/models?{shapes[number % len(shapes)]()}"
        begin = time.monotonic()
        connection.request("GET", address)
        answer = connection.getresponse()
        body = answer.read()
        took.append((time.monotonic() - begin) * 1000)
        if answer.status != 200 or "groups" not in json.loads(body):
            raise BenchError(f"GET {address} answered {answer.status}: {body[:200]!r}")
    connection.close()
    return took


def lists(bench, report):
    """Only Haina: no peer has these routes."""
    count = bench.list_repositories
    with bench.prepared(Haina) as server:
        server.start()
        begin = time.monotonic()
        fill(server, count, deadline=begin + 1800)
        report.add("make repositories with cards, 8 at once: per s", server.name, count / (time.monotonic() - begin))
        server.settle()
        ask(server, 2, seed=1)
        for run in range(bench.runs):
            server.forget_peak()
            before = server.cpu_s()
            took = ask(server, 5 if bench.given.quick else 30, seed=2 + run)
            every = [ms for shape in took.values() for ms in shape]
            row = f"lists over {count} repositories at {RATE}/s"
            report.add(f"{row}: p50 ms", server.name, quantile(every, 0.5))
            report.add(f"{row}: p99 ms", server.name, quantile(every, 0.99))
            report.add(f"{row}: requests per server CPU s", server.name, len(every) / (server.cpu_s() - before))
            for shape, values in took.items():
                report.add(f"lists, {shape}: p99 ms", server.name, quantile(values, 0.99))
            report.add(f"{row}: peak RSS MiB", server.name, server.peak_mib())
            before = server.cpu_s()
            took = facets(server, 120 if bench.given.quick else 600, seed=20 + run)
            row = f"facets over {count} repositories"
            report.add(f"{row}: p50 ms", server.name, quantile(took, 0.5))
            report.add(f"{row}: p99 ms", server.name, quantile(took, 0.99))
            report.add(f"{row}: server CPU ms each, with counting in the background", server.name,
                       (server.cpu_s() - before) * 1000 / len(took))
