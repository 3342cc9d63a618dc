"""Jobs through a queue for the SDK's worker, and prompts for its task runner."""

import asyncio
import itertools

from sdk import join, run
from tasks import ask

PROMPT = {"prompt": "write it down"}


async def written(room):
    """What the task runner answers, once it has registered; releases around 0.24 want a model named."""
    async with asyncio.timeout(60):
        for prompt in itertools.cycle((PROMPT, {**PROMPT, "model": None})):
            try:
                return await ask(room, "writer", prompt)
            except Exception as error:  # noqa: BLE001 - the SDK's releases raise different classes
                print(error)
            await asyncio.sleep(0.1)
    return None


async def main(work):
    async with join(work["url"], work["ada"]) as ada:
        for number in range(work["jobs"]):
            job = {"prompt": f"job {number}"}
            await ada.queues.send(name="jobs", create=True, message=job)
        done = [await ada.queues.receive(name="done", create=True, wait=True) for _ in range(work["jobs"])]
        assert sorted(one["job"] for one in done) == [f"job {n}" for n in range(work["jobs"])], done
        assert all(work["answer"] in one["answer"] for one in done), done
        return {"written": await written(ada)}


if __name__ == "__main__":
    run(main)
