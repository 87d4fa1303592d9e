# Compiles this service, with the compiler and all.
FROM node:24-bookworm-slim AS build
WORKDIR /app
# The packages first: they change less often than the code, and so stay in the cache.
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json ./
COPY lib lib
COPY producer/producer.ts producer/
RUN npx tsc

# The packages that it needs to run, without the compiler and the tests' ones.
FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev

# Runs it: Node, those packages, its compiled code.
FROM node:24-bookworm-slim
# A heap that fits in the container's 128 MB. Of itself Node takes more, and only then collects what is not needed.
ENV NODE_ENV=production NODE_OPTIONS="--max-old-space-size=64 --max-semi-space-size=4"
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY --from=build /app/dist .
USER node
# In exec form, so that node itself gets the signal to stop.
CMD ["node", "producer/producer.js"]

# Settings: edit them, and run ./buildAndRun.sh again. This block is last, so nothing else is built anew.
ENV KAFKA_TOPIC=test-topic \
    TOPIC_PARTITIONS=1 \
    SEND_INTERVAL_MS=1000 \
    BUFFER_SIZE=10000
