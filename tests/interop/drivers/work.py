"""Jobs through a queue for the SDK's worker, and prompts for its task runner."""

from sdk import join, run, until
from tasks import ask


async def main(work):
    async with join(work["url"], work["ada"]) as ada:
        for number in range(work["jobs"]):
            job = {"prompt": f"job {number}"}
            await ada.queues.send(name="jobs", create=True, message=job)
        done = [await ada.queues.receive(name="done", create=True, wait=True) for _ in range(work["jobs"])]
        assert sorted(one["job"] for one in done) == [f"job {n}" for n in range(work["jobs"])], done
        assert all(work["answer"] in one["answer"] for one in done), done
        answers = []

        async def asked():
            try:
                answers.append(await ask(ada, "writer", {"prompt": "write it down"}))
            except Exception as error:  # noqa: BLE001 - it may not have registered yet
                print(error)
            return answers

        await until_asked(asked)
        return {"answers": answers}


async def until_asked(asked):
    import asyncio

    for _ in range(100):
        if await asked():
            return
        await asyncio.sleep(0.1)
    await until(lambda: False, "the task runner answers")


if __name__ == "__main__":
    run(main)
